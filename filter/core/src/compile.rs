//! Raw policy -> [`Router`].
