//! Waiting on conditions, never on time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until the condition holds. The error says what was waited for and how long.
pub async fn until<F, Fut>(what: impl std::fmt::Display, deadline: Duration, mut condition: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until_some(what, deadline, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await
}

/// Waits until there is a value. The error says what was waited for and how long.
pub async fn until_some<T, F, Fut>(what: impl std::fmt::Display, deadline: Duration, mut condition: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        // A condition that hangs (a server that takes a connection and never answers) must not outlive the deadline.
        let left = deadline.saturating_sub(start.elapsed()).max(INTERVAL);
        if let Ok(Some(value)) = tokio::time::timeout(left, condition()).await {
            return Ok(value);
        }
        if start.elapsed() >= deadline {
            bail!("waited {deadline:?} in vain until {what}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Waits until the value is the expected one; the error says what it was at the end.
pub async fn until_eq<T, F, Fut>(what: impl std::fmt::Display, expected: &T, deadline: Duration, mut value: F) -> Result<()>
where
    T: PartialEq + std::fmt::Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut last = None;
    let start = Instant::now();
    loop {
        let left = deadline.saturating_sub(start.elapsed()).max(INTERVAL);
        if let Ok(seen) = tokio::time::timeout(left, value()).await {
            match seen {
                Ok(seen) if seen == *expected => return Ok(()),
                seen => last = Some(seen),
            }
        }
        if start.elapsed() >= deadline {
            bail!("waited {deadline:?} in vain until {what} is {expected:?}; it was {last:?}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_when_the_condition_holds() {
        let mut left = 3;
        until("three looks", Duration::from_secs(5), || {
            left -= 1;
            let done = left == 0;
            async move { done }
        })
        .await
        .unwrap();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn a_hanging_condition_ends_with_the_deadline() {
        let start = Instant::now();
        let error = until("the end of time", Duration::from_millis(60), std::future::pending).await.unwrap_err();
        assert!(error.to_string().contains("the end of time"));
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}
