//! Everything at once and at random: labels, births, deaths, agents that are
//! killed or stopped, an API server in trouble, under traffic.
//!
//! If this fails, there is an order of events after which a pod is tapped that
//! nobody asked for, one that somebody asked for is not, or something of
//! podtap's stays on a node. `SEED` repeats the actions of a run, as far as the
//! machine plays along; `PODTAP_CHAOS_SECONDS` says how long it lasts.

mod agents;
mod desire;
mod story;
mod traffic;
mod world;

use std::time::{Duration, Instant};

use tests::{Random, number};
use world::World;

/// Unless `PODTAP_CHAOS_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// How often all of it has to be in order: then nothing is done for as long as
/// the agent takes.
const ROUND: Duration = Duration::from_secs(15);

#[test]
#[ignore = "needs root"]
fn root_after_any_disorder_what_is_desired_stands_and_nothing_else() {
    let seconds = number("PODTAP_CHAOS_SECONDS").unwrap_or(SECONDS);
    let seed = Random::seed();
    eprintln!("chaos: SEED={seed} PODTAP_CHAOS_SECONDS={seconds}");
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut world = World::new(Random::of_case(seed, 0));
    while Instant::now() < until {
        let round = Instant::now() + ROUND;
        while Instant::now() < round {
            world.act();
        }
        world.expect_order();
    }
    eprintln!("chaos: {}", world.end());
}
