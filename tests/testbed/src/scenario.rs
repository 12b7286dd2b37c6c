//! Given, When, Then: what a test does, told as it happens, so that the output of a failed one reads as a story.

use std::fmt::Display;
use std::time::Instant;

/// The story of one test; its lines go to the test's captured output.
#[derive(Debug)]
pub struct Scenario {
    start: Instant,
}

impl Scenario {
    /// Begins the story.
    pub fn new(title: impl Display) -> Self {
        println!("Scenario: {title}");
        Self { start: Instant::now() }
    }

    /// What is there before.
    pub fn given(&self, text: impl Display) -> &Self {
        self.line("Given", &text)
    }

    /// What happens.
    pub fn when(&self, text: impl Display) -> &Self {
        self.line("When", &text)
    }

    /// What must be true afterwards.
    pub fn then(&self, text: impl Display) -> &Self {
        self.line("Then", &text)
    }

    fn line(&self, word: &str, text: &dyn Display) -> &Self {
        println!("{:>8.3}s  {word:<5} {text}", self.start.elapsed().as_secs_f64());
        self
    }
}
