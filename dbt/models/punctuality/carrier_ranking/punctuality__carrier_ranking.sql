-- Which airline leaves New York on time?

with flights_by_carrier as (

    select
        carrier,
        count(*) as scheduled,
        count(*) filter (where is_cancelled) as cancelled,
        count(*) filter (where is_on_time) as on_time,
        round(100.0 * count(*) filter (where is_on_time) / count(*), 1) as on_time_percent,
        round(avg(departure_delay_min), 1) as departure_delay_mean_min

    from {{ source('punctuality', 'delays') }}
    group by carrier

),

-- A share of a few flights says little: only these are compared with each other.
ranks as (

    select
        carrier,
        rank() over (order by on_time_percent desc) as rank

    from flights_by_carrier
    where scheduled >= 1000

)

select
    flights_by_carrier.carrier,
    airlines.name as carrier_name,
    ranks.rank,
    flights_by_carrier.scheduled,
    flights_by_carrier.cancelled,
    flights_by_carrier.on_time,
    flights_by_carrier.on_time_percent,
    flights_by_carrier.departure_delay_mean_min

from flights_by_carrier
left join {{ source('operations', 'airlines') }} as airlines
    on flights_by_carrier.carrier = airlines.carrier
left join ranks
    on flights_by_carrier.carrier = ranks.carrier
