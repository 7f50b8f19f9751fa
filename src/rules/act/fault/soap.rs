//! SOAP faults, in the SOAP version of the message that they answer (SOAP 1.2 Part 1 §5.4; SOAP 1.1 §4.4).

use http::{HeaderMap, HeaderValue, StatusCode as HttpStatus, header};

use crate::dm::compose::leaf;
use crate::dm::soap::{Envelope, SoapVersion, action};
use crate::flow::{EffectDetail, EffectKind, Side};
use crate::markup::Document;
use crate::rules::step::{FaultStep, SoapFault};
use crate::rules::{RuleInput, SyntheticResponse, Verdict};

/// Answers with the fault.
pub(super) fn answer(
    step: &FaultStep,
    fault: &SoapFault,
    input: &RuleInput<'_>,
    document: Option<&Document>,
    verdict: &mut Verdict,
) -> EffectDetail {
    let envelope = document.and_then(Envelope::of);
    let Some(envelope) = envelope.filter(|envelope| envelope.element().local() == "Envelope")
    else {
        return EffectDetail::declined(step.name(), "this is not a SOAP message");
    };
    let (namespace, media_type, body) = match envelope.version() {
        Some(SoapVersion::V1_1) => (SOAP_1_1, "text/xml; charset=utf-8", body_1_1(fault)),
        Some(SoapVersion::V1_2) | None => (
            SOAP_1_2,
            "application/soap+xml; charset=utf-8",
            body_1_2(fault),
        ),
    };
    let action = action::of_response(envelope);
    // The MessageID of the request; a response repeats it as RelatesTo.
    let relates_to = match input.speaker {
        Side::Device => envelope.message_id(),
        Side::Server => envelope.relates_to(),
    };
    let relates_to = relates_to.map_or(String::new(), |id| leaf("a:RelatesTo", &id));
    let text = format!(
        "<s:Envelope xmlns:s=\"{namespace}\" xmlns:a=\"{ADDRESSING}\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">{action}</a:Action>{relates_to}</s:Header>\
         <s:Body><s:Fault>{body}</s:Fault></s:Body></s:Envelope>"
    );
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    verdict.answer = Some(SyntheticResponse {
        status: HttpStatus::INTERNAL_SERVER_ERROR,
        headers,
        body: text.into(),
    });
    let error_type = fault.error_type.map_or("", |error_type| error_type.0);
    EffectDetail::of_message(
        EffectKind::Answered,
        step.name(),
        "",
        format!("{} {error_type}", fault.subcode.0)
            .trim_end()
            .to_string(),
    )
}

fn body_1_2(fault: &SoapFault) -> String {
    let value = |text: &str| leaf("s:Value", text);
    let subcode = format!("<s:Subcode>{}</s:Subcode>", value(fault.subcode.0));
    let text =
        leaf("s:Text", &fault.message).replacen("<s:Text>", "<s:Text xml:lang=\"en-US\">", 1);
    format!(
        "<s:Code>{}{subcode}</s:Code><s:Reason>{text}</s:Reason>{}",
        value("s:Receiver"),
        detail(fault, "s:Detail"),
    )
}

fn body_1_1(fault: &SoapFault) -> String {
    let text = leaf("faultstring", &fault.message);
    let text = text.replacen("<faultstring>", "<faultstring xml:lang=\"en-US\">", 1);
    leaf("faultcode", fault.subcode.0) + &text + &detail(fault, "detail")
}

fn detail(fault: &SoapFault, name: &str) -> String {
    let Some(error_type) = fault.error_type else {
        return String::new();
    };
    let inside = [
        leaf("ErrorType", error_type.0),
        leaf("Message", &fault.message),
        leaf("TraceId", &fault.trace_id),
    ];
    let inside = inside.concat();
    format!(
        "<{name}><DeviceEnrollmentServiceError xmlns=\"{WSTEP}\">{inside}\
         </DeviceEnrollmentServiceError></{name}>"
    )
}

const SOAP_1_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_1_2: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const WSTEP: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment";
