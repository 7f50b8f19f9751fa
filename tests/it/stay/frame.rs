//! Messages around one URL.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dmtap::stay::Extent;
use dmtap::stay::kind::NODES;

type Filled = Box<dyn Fn(&str, &str) -> String>;

/// A message with a URL in it, in which a server sends it and in which a device repeats it. The second argument is the
/// address beside a port.
pub struct Frame {
    pub to_device: Option<Filled>,
    pub to_server: Option<Filled>,
    pub has_wbxml: bool,
    pub extent: Extent,
}

/// The frames of a kind of URL.
pub fn frames(kind: &str) -> Vec<Frame> {
    let to = || {
        Some(text(
            "<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://www.w3.org/2005/08/addressing\"><Header><a:To>{}</a:To></Header><Body/></Envelope>",
        ))
    };
    let soap = |template: String| Frame {
        to_device: Some(text(&template)),
        to_server: to(),
        has_wbxml: false,
        extent: Extent::Followed,
    };
    match kind {
        // It goes one way only.
        "To" => vec![Frame {
            to_device: None,
            ..soap(String::new())
        }],
        "DiscoverResult" => vec![soap(discover("TermsOfUseUrl"))],
        "EnrollmentPolicyServiceUrl"
        | "EnrollmentServiceUrl"
        | "AuthenticationServiceUrl"
        | "DeviceAssociationMaaUrl"
        | "GatewayService" => vec![soap(discover(kind))],
        "cAURI" => vec![soap(envelope(
            "<GetPoliciesResponse><cAs><cA><uris><cAURI><uri>{}</uri></cAURI></uris></cA></cAs></GetPoliciesResponse>",
        ))],
        "endpointUri" => vec![Frame {
            to_server: None,
            ..soap(envelope(
                "<GetPoliciesResponse><attestation><azureAttestation><endpointUri>{}</endpointUri></azureAttestation></attestation></GetPoliciesResponse>",
            ))
        }],
        "RespURI" => vec![syncml(header("<RespURI>{}</RespURI>"), None)],
        "SyncHdr" => vec![Frame {
            extent: Extent::Full,
            ..syncml(
                header(
                    "<Target><LocURI>device</LocURI></Target><Source><LocURI>{}</LocURI></Source>",
                ),
                Some(header(
                    "<Target><LocURI>{}</LocURI></Target><Source><LocURI>device</LocURI></Source>",
                )),
            )
        }],
        _ => nodes(kind),
    }
}

fn text(template: &str) -> Filled {
    let template = template.to_owned();
    Box::new(move |url, address| template.replace("{}", url).replace("{address}", address))
}

fn envelope(body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">\n <s:Header/><s:Body>{body}</s:Body></s:Envelope>\n"
    )
}

fn discover(name: &str) -> String {
    envelope(&format!(
        "<DiscoverResponse><DiscoverResult><AuthPolicy>Federated</AuthPolicy><{name}>{{}}</{name}></DiscoverResult></DiscoverResponse>"
    ))
}

fn syncml(to_device: String, to_server: Option<String>) -> Frame {
    Frame {
        to_device: Some(text(&to_device)),
        to_server: to_server.map(|template| text(&template)),
        has_wbxml: true,
        extent: Extent::Followed,
    }
}

fn header(inside: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
         <MsgID>1</MsgID>{inside}</SyncHdr><SyncBody><Final/></SyncBody></SyncML>"
    )
}

fn nodes(kind: &str) -> Vec<Frame> {
    let known = NODES.iter().filter(|(_, known)| known.name == kind);
    let frames = known.flat_map(|(path, _)| {
        let names = path
            .split('/')
            .map(|name| if name == "*" { "One" } else { name });
        let names: Vec<&str> = names.collect();
        match names[0] {
            "APPLICATION" => provisioning(&names),
            "SyncML" => vec![commands(&names, ".")],
            _ => [
                provisioning(&names),
                vec![
                    commands(&names, "./Vendor/MSFT"),
                    commands(&names, "./Device/Vendor/MSFT"),
                    commands(&names, "./User/vendor/msft"),
                ],
            ]
            .concat_frames(),
        }
    });
    frames.collect()
}

trait ConcatFrames {
    fn concat_frames(self) -> Vec<Frame>;
}

impl ConcatFrames for [Vec<Frame>; 2] {
    fn concat_frames(self) -> Vec<Frame> {
        self.into_iter().flatten().collect()
    }
}

/// A provisioning document: as it is, and in an answer to RequestSecurityToken, whole and in lines.
fn provisioning(names: &[&str]) -> Vec<Frame> {
    let (parm, types) = names.split_last().unwrap();
    let mut inside = format!("<parm name=\"{parm}\" value=\"{{}}\"/>");
    for name in types.iter().rev() {
        let address = match *name {
            "APPADDR" if *parm == "PORTNBR" => "<parm name=\"ADDR\" value=\"{address}\"/>",
            "APPLICATION" => "<parm name=\"APPID\" value=\"w7\"/>",
            _ => "",
        };
        inside = format!("<characteristic type=\"{name}\">{address}{inside}</characteristic>");
    }
    let plain = format!("<wap-provisioningdoc version=\"1.1\">{inside}</wap-provisioningdoc>");
    let frame = |to_device: Filled, has_wbxml| Frame {
        to_device: Some(to_device),
        to_server: None,
        has_wbxml,
        extent: Extent::Followed,
    };
    let filled = text(&plain);
    let in_soap: Filled = Box::new(move |url, address| {
        let token = STANDARD.encode(filled(url, address));
        let body = "<RequestSecurityTokenResponseCollection><RequestSecurityTokenResponse><RequestedSecurityToken>\
            <BinarySecurityToken EncodingType=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary\">\
            {}</BinarySecurityToken></RequestedSecurityToken></RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>";
        envelope(body).replace("{}", &token)
    });
    vec![frame(text(&plain), true), frame(in_soap, false)]
}

/// A Replace of a node, and the Results in which the device repeats it.
fn commands(names: &[&str], front: &str) -> Frame {
    let node = format!("{front}/{}", names.join("/"));
    let beside = match names.last() {
        Some(&"PortNbr") => Some(format!("{front}/{}/Addr", names[..5].join("/"))),
        _ => None,
    };
    let item = |end: &str, node: &str, value: &str| {
        format!("<Item><{end}><LocURI>{node}</LocURI></{end}><Data>{value}</Data></Item>")
    };
    let body = |end: &str, open: &str, close: &str| {
        let beside = beside.as_ref().map(|beside| item(end, beside, "{address}"));
        let command = format!(
            "{open}{}{}{close}",
            beside.unwrap_or_default(),
            item(end, &node, "{}")
        );
        header("").replace("<Final/>", &format!("{command}<Final/>"))
    };
    syncml(
        body(
            "Target",
            "<Atomic><CmdID>1</CmdID><Replace><CmdID>2</CmdID>",
            "</Replace></Atomic>",
        ),
        Some(body(
            "Source",
            "<Results><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef>",
            "</Results>",
        )),
    )
}
