-- Among the ranked, whoever has the best share has rank 1, and nobody else. It returns the airlines for which this does not hold.

select carrier, rank, on_time_percent
from {{ ref('punctuality__carrier_ranking') }}
where rank is not null
qualify (rank = 1) <> (on_time_percent = max(on_time_percent) over ())
