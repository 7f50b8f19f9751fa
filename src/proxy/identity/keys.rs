//! A small stock of keys: generating one takes as long as many exchanges.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::key::{self, KeyError, OwnKey};
use crate::identity::KeyKind;

/// Keys of the usual size, generated in advance.
#[derive(Debug, Default)]
pub(in crate::proxy) struct KeyStock(Arc<Mutex<Stock>>);

#[derive(Debug, Default)]
struct Stock {
    ready: VecDeque<OwnKey>,
    in_making: usize,
}

impl KeyStock {
    /// Takes a key of this kind. A key taken from the stock is replaced.
    pub(in crate::proxy) async fn take(&self, kind: KeyKind) -> Result<OwnKey, KeyError> {
        if let KeyKind::Rsa(bits) = kind
            && key::rounded(bits) == Some(USUAL_KEY_BITS)
        {
            let ready = self.0.lock().ready.pop_front();
            self.fill();
            if let Some(ready) = ready {
                return Ok(ready);
            }
        }
        let made = tokio::task::spawn_blocking(move || OwnKey::generate(kind));
        made.await.unwrap_or(Err(KeyError::Make))
    }

    /// Generates keys on another thread until the stock is full.
    pub(in crate::proxy) fn fill(&self) {
        let lacks = {
            let mut stock = self.0.lock();
            let lacks = SPARE_KEYS.saturating_sub(stock.ready.len() + stock.in_making);
            stock.in_making += lacks;
            lacks
        };
        if lacks == 0 {
            return;
        }
        let stock = self.0.clone();
        tokio::task::spawn_blocking(move || {
            for _ in 0..lacks {
                let made = OwnKey::generate(KeyKind::Rsa(USUAL_KEY_BITS));
                let mut stock = stock.lock();
                stock.in_making -= 1;
                stock.ready.extend(made.ok());
            }
        });
    }
}

/// The number of keys in the stock.
const SPARE_KEYS: usize = 4;
/// The size that every known device asks for, in bits.
const USUAL_KEY_BITS: usize = 2048;
