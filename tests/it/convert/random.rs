//! Random documents, spelled in random ways, converted there and back.

use dmtap::markup::wbxml::{PublicIdForm, Version, WbxmlOptions, encode};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::model::{self, Family, Tape};
use super::{compact, parse, same};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2500,
        failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// The document is WBXML, and XML once it is converted: both are converted in turn.
    #[test]
    fn random_documents_say_the_same_there_and_back(
        tape in prop::collection::vec(any::<u8>(), 0..300),
        prov: bool,
        text_id: bool,
    ) {
        let family = if prov { Family::Prov } else { Family::SyncMl };
        let tape = &mut Tape::new(&tape);
        let tree = model::document(family, tape);
        let binary = parse(model::write(family, &tree, tape));
        same::check(&binary);
        let xml = parse(compact(&binary));
        same::check(&xml);
        let public_id = if text_id { PublicIdForm::Text } else { PublicIdForm::Numeric };
        let options = WbxmlOptions { version: Version::V1_1, public_id };
        same::check(&parse(encode(&xml, &options).unwrap()));
    }
}
