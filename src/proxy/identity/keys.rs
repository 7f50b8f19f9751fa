//! A small stock of keys: making one takes as long as many exchanges.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::key::{self, KeyError, OwnKey};
use crate::identity::KeyKind;

/// Keys of the usual size, made beforehand.
#[derive(Debug, Default)]
pub(in crate::proxy) struct KeyStock(Arc<Mutex<Stock>>);

#[derive(Debug, Default)]
struct Stock {
    ready: VecDeque<OwnKey>,
    in_making: usize,
}

impl KeyStock {
    /// A key of this kind; one that was ready is made up for.
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

    /// Makes keys until the stock is full, on another thread.
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

/// Keys that are ready.
const SPARE_KEYS: usize = 4;
/// The size that every known device asks for, in bits.
const USUAL_KEY_BITS: usize = 2048;
