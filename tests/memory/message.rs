//! Messages in the shape of a device's or a server's, in any size.

/// Status and Results by turns, as a device answers, until `size` bytes are reached.
pub(crate) fn device_answers(size: usize) -> String {
    let mut out = String::from(HEADER);
    let mut number = 1;
    while out.len() < size {
        out.push_str(&format!(
            "<Status><CmdID>{number}</CmdID><MsgRef>1</MsgRef><CmdRef>{number}</CmdRef><Cmd>Get</Cmd>\
             <Data>200</Data></Status><Results><CmdID>{}</CmdID><MsgRef>1</MsgRef><CmdRef>{number}</CmdRef>\
             <Item><Source><LocURI>./Vendor/MSFT/Policy/Result/Area{number}/Setting</LocURI></Source>\
             <Meta><Format xmlns=\"syncml:metinf\">chr</Format><Type xmlns=\"syncml:metinf\">text/plain</Type></Meta>\
             <Data>a &lt; b &amp;&amp; c, number {number}</Data></Item></Results>",
            number + 1
        ));
        number += 2;
    }
    out + "<Final/></SyncBody></SyncML>"
}

/// Replace and Get commands, as a server sends them, until `size` bytes are reached.
pub(crate) fn server_commands(size: usize) -> String {
    let mut out = String::from(HEADER);
    let mut number = 1;
    while out.len() < size {
        out.push_str(&format!(
            "<Replace><CmdID>{number}</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/Policy/Config/Area/P{number}\
             </LocURI></Target><Meta><Format xmlns=\"syncml:metinf\">int</Format></Meta><Data>{number}</Data></Item>\
             </Replace><Get><CmdID>{}</CmdID><Item><Target><LocURI>./DevDetail/Ext/Microsoft/V{number}</LocURI>\
             </Target></Item></Get>",
            number + 1
        ));
        number += 2;
    }
    out + "<Final/></SyncBody></SyncML>"
}

const HEADER: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
    <SessionID>1F</SessionID><MsgID>2</MsgID><Target><LocURI>https://mdm.example.com/ManagementServer/MDM.svc\
    </LocURI></Target><Source><LocURI>2B1C6E95D8BB843B1278FF45BC60CC6A</LocURI></Source></SyncHdr><SyncBody>";
