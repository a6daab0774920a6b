//! The engine's mind under thousands of seeds of crashes, delays, repetitions and reordering.
//!
//! `FLOWFORGE_SIM_SEEDS` sets how many seeds are tried (default 2 000). A failing seed becomes a test
//! with a name of its own.

mod chance;
mod graphs;
mod world;

use chance::Chance;
use world::{Broken, Weather, run};

const CALM: Weather = Weather { crashes: 0, repeats: false, stops: false, broken: Broken::Nothing };

fn seeds() -> u64 {
    std::env::var("FLOWFORGE_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

fn rough(seed: u64, broken: Broken) -> Result<(), String> {
    let simulated = graphs::grow(&mut Chance::new(seed));
    let expected = run(&simulated, seed, CALM)?;
    for (round, crashes) in [0, 1, 4].into_iter().enumerate() {
        let weather = Weather { crashes, repeats: true, stops: false, broken };
        let outcome = run(&simulated, seed.wrapping_add(round as u64 * 1_000_003), weather)?;
        if outcome != expected {
            return Err(format!("calm: {expected:?}\nrough: {outcome:?}"));
        }
    }
    Ok(())
}

#[test]
fn whatever_the_weather_a_run_ends_as_in_the_calm() {
    for seed in 0..seeds() {
        if let Err(broken) = rough(seed, Broken::Nothing) {
            panic!("seed {seed}: {broken}");
        }
    }
}

#[test]
fn a_run_that_is_stopped_at_any_moment_has_ended_in_its_journal_too() {
    for seed in 0..seeds() / 4 {
        let simulated = graphs::grow(&mut Chance::new(seed));
        let broken = Broken::Nothing;
        let weather = Weather { crashes: 2, repeats: true, stops: true, broken };
        if let Err(broken) = run(&simulated, seed, weather) {
            panic!("seed {seed}: {broken}");
        }
    }
}

fn is_found(broken: Broken) -> bool {
    (0..300).any(|seed| rough(seed, broken).is_err())
}

#[test]
fn effects_sent_before_their_intent_is_durable_are_found() {
    assert!(is_found(Broken::EffectsBeforeIntent));
}

#[test]
fn answers_given_before_they_are_durable_are_found() {
    assert!(is_found(Broken::AnswerBeforeCommit));
}

#[test]
fn flushes_taken_for_done_that_were_not_are_found() {
    assert!(is_found(Broken::LostFlush));
}

#[test]
fn repeated_calls_that_lose_their_numbers_are_found() {
    assert!(is_found(Broken::CallsNumberedAnew));
}
