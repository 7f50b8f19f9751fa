//! The effect of a rule, as a sentence and under the name of its step.

use dmtap::rules::Stage;

use super::conversations::{answered, rule};
use super::support::{Talk, book, message, on};

#[test]
fn what_was_done_is_a_sentence() {
    let body = format!(
        "{}<Atomic><CmdID>4</CmdID>{}</Atomic>",
        on("Exec", 3, "./A"),
        on("Add", 5, "./B")
    );
    let check = |stage: Stage, matches: &str, step: &str, expected: &[&str]| {
        let matcher = format!("{{ {matches} }}");
        let rules = rule(stage.name(), &matcher, step);
        let body = match stage {
            Stage::Request => message(2, &answered()),
            _ => message(1, &body),
        };
        let verdict = Talk::new(1, "d").decide(&book(&rules), stage, &body);
        let changes = &verdict.applied[0].changes;
        let done: Vec<String> = changes.iter().map(|change| change.text("")).collect();
        assert_eq!(done, expected, "{step}");
        let name = step.trim_start_matches("{ ").split(' ').next();
        let steps = changes.iter().map(|change| Some(&*change.step));
        assert!(steps.into_iter().all(|step| step == name), "{changes:?}");
    };
    let (request, response) = (Stage::Request, Stage::Response);
    let exec = "command = \"Exec\"";
    let set = ["Status 201 Item added → 500 Command failed"];
    check(request, "status = 201", "{ set-status = 500 }", &set);
    check(response, "", "{ drop-final = true }", &["removed Final"]);
    check(response, exec, "{ remove = true }", &["removed Exec ./A"]);
    let refused = ["refused Exec ./A with 403 Forbidden"];
    check(response, exec, "{ refuse = 403 }", &refused);
    let rolled_back = [
        "refused Atomic with 507 Atomic failed",
        "refused Add ./B with 500 Command failed",
    ];
    let atomic = "command = \"Atomic\"";
    check(response, atomic, "{ atomic-rollback = 500 }", &rolled_back);
    let get =
        "{ inject-command = \"<Get><Item><Target><LocURI>./C</LocURI></Target></Item></Get>\" }";
    check(response, "", get, &["added Get ./C"]);
    let flipped = ["inverted bits of 1 byte at 9, mask ff"];
    check(response, "", "{ flip = { at = 9 } }", &flipped);
    let delayed = ["delayed by 250ms"];
    check(response, "", "{ delay = \"250ms\" }", &delayed);
}
