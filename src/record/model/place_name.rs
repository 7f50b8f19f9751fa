//! Names the parameters of a provisioning document: `APPLICATION/ADDR` in place of `characteristic[3]/parm[4]`.

use crate::markup::{Document, Element, Limits, Path, tag};

/// Returns the types of the characteristics around a place, and the name of its parameter. Returns `None` if the place
/// does not exist, or is not in a provisioning document.
pub(super) fn of(path: &str, document: Option<&Document>) -> Option<String> {
    // In a path, an attribute follows its element.
    let (path, _) = path.rsplit_once('@').unwrap_or((path, ""));
    if !path.contains(ROOT) {
        return None;
    }
    let path: Path = path.parse().ok()?;
    let document = document?;
    let found = path.find(document, &Limits::default())?;
    let around = std::iter::successors(found.element(document), |element| element.parent());
    let mut names: Vec<String> = around.map_while(name).collect();
    names.reverse();
    (!names.is_empty()).then(|| names.join("/"))
}

/// The name of a parameter, or the type of a characteristic.
fn name(element: Element<'_>) -> Option<String> {
    let attribute = match element {
        _ if element.is(tag::PARM) => "name",
        _ if element.is(tag::CHARACTERISTIC) => "type",
        _ => return None,
    };
    let value = element.attribute(attribute)?.value();
    Some(value.into_owned())
}

const ROOT: &str = "/wap-provisioningdoc/";
