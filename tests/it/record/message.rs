//! The messages of the test stage.

/// Package 1 of a device.
pub(crate) const PACKAGE_1: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
<VerProto>DM/1.2</VerProto><SessionID>5</SessionID><MsgID>1</MsgID><Target>\
<LocURI>https://mdm.example.com/MDM.svc</LocURI></Target><Source><LocURI>urn:uuid:0001</LocURI>\
</Source><Cred><Meta><Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type></Meta><Data>Y3JlZDE=</Data>\
</Cred><Meta><MaxMsgSize xmlns=\"syncml:metinf\">524288</MaxMsgSize></Meta></SyncHdr><SyncBody>\
<Alert><CmdID>2</CmdID><Data>1201</Data></Alert>\
<Alert><CmdID>3</CmdID><Data>1224</Data><Item><Meta><Type xmlns=\"syncml:metinf\">\
com.microsoft/MDM/LoginStatus</Type></Meta><Data>user</Data></Item></Alert>\
<Replace><CmdID>4</CmdID><Item><Source><LocURI>./DevInfo/DevId</LocURI></Source>\
<Data>urn:uuid:0001</Data></Item><Item><Source><LocURI>./DevInfo/Man</LocURI></Source>\
<Data>Wörks &amp; Sons</Data></Item></Replace><Final/></SyncBody></SyncML>";

/// What a server asks for then.
pub(crate) const COMMANDS: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
<VerProto>DM/1.2</VerProto><SessionID>5</SessionID><MsgID>1</MsgID><Target>\
<LocURI>urn:uuid:0001</LocURI></Target><Source><LocURI>https://mdm.example.com/MDM.svc</LocURI>\
</Source></SyncHdr><SyncBody>\
<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Chal><Meta>\
<Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type><NextNonce xmlns=\"syncml:metinf\">bm9uY2Ux\
</NextNonce></Meta></Chal><Data>212</Data></Status>\
<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Replace</Cmd><Data>200</Data></Status>\
<Get><CmdID>3</CmdID><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>\
<Get><CmdID>4</CmdID><Item><Target><LocURI>./DevDetail/NoSuchNode</LocURI></Target></Item></Get>\
<Atomic><CmdID>5</CmdID><Replace><CmdID>6</CmdID><Item><Target>\
<LocURI>./Vendor/MSFT/BitLocker/RequireDeviceEncryption</LocURI></Target><Meta>\
<Format xmlns=\"syncml:metinf\">int</Format></Meta><Data>1</Data></Item></Replace>\
<Add><CmdID>7</CmdID><Item><Target><LocURI>./Vendor/MSFT/WiFi/Profile/Lab/WlanXml</LocURI></Target>\
<Meta><Format xmlns=\"syncml:metinf\">chr</Format><Type xmlns=\"syncml:metinf\">text/plain</Type></Meta>\
<Data>&lt;keyMaterial&gt;wifi-key-1&lt;/keyMaterial&gt;</Data></Item></Add></Atomic>\
<Exec><CmdID>8</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/RemoteWipe/doWipe</LocURI></Target>\
</Item></Exec><Final/></SyncBody></SyncML>";

/// How the device answers.
pub(crate) const ANSWERS: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
<VerProto>DM/1.2</VerProto><SessionID>5</SessionID><MsgID>2</MsgID><Target>\
<LocURI>https://mdm.example.com/MDM.svc</LocURI></Target><Source><LocURI>urn:uuid:0001</LocURI>\
</Source></SyncHdr><SyncBody xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\">\
<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>\
<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>\
<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>3</CmdRef><Item><Source>\
<LocURI>./DevDetail/SwV</LocURI></Source><Meta><Format xmlns=\"syncml:metinf\">chr</Format></Meta>\
<Data>10.0.26100.1742 with a long tail of words that tell nothing new but have to be cut somewhere, \
which is here: the end of the line and beyond</Data></Item></Results>\
<Status><CmdID>4</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Get</Cmd><Data>404</Data></Status>\
<Status><CmdID>5</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef><Cmd>Atomic</Cmd><Data>507</Data></Status>\
<Status><CmdID>6</CmdID><MsgRef>1</MsgRef><CmdRef>6</CmdRef><Cmd>Replace</Cmd>\
<Data msft:originalerror=\"0x80310000\">200</Data></Status>\
<Status><CmdID>7</CmdID><MsgRef>1</MsgRef><CmdRef>77</CmdRef><Cmd>Add</Cmd><Data>216</Data></Status>\
<Final/></SyncBody></SyncML>";

/// A message with nothing in it but its end.
pub(crate) const END: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
<VerProto>DM/1.2</VerProto><SessionID>5</SessionID><MsgID>2</MsgID><Target>\
<LocURI>urn:uuid:0001</LocURI></Target><Source><LocURI>https://mdm.example.com/MDM.svc</LocURI>\
</Source></SyncHdr><SyncBody><Final/></SyncBody></SyncML>";

/// A device's message in WBXML 1.3, public identifier `-//SYNCML//DTD SyncML 1.2//EN` by number (0x1201): Cred
/// with STR_I, a nonce as OPAQUE, an Alert 1201 and a Replace of a Wi-Fi profile as OPAQUE.
pub(crate) fn wbxml(cred: &str, nonce: &str, profile: &str) -> Vec<u8> {
    let mut out = vec![0x03, 0xA4, 0x01, 0x6A, 0x00];
    out.extend([0x6D, 0x6C]); // SyncML, SyncHdr
    text(&mut out, 0x71, "1.2");
    text(&mut out, 0x72, "DM/1.2");
    text(&mut out, 0x65, "5");
    text(&mut out, 0x5B, "1");
    located(&mut out, 0x6E, "https://mdm.example.com/MDM.svc");
    located(&mut out, 0x67, "urn:uuid:0001");
    out.extend([0x4E, 0x5A, 0x00, 0x01]); // Cred, Meta, page 1
    text(&mut out, 0x53, "syncml:auth-md5");
    opaque(&mut out, 0x50, nonce); // NextNonce
    out.extend([0x01, 0x00, 0x00]); // end of Meta, page 0
    text(&mut out, 0x4F, cred);
    out.extend([0x01, 0x01, 0x6B]); // ends of Cred and SyncHdr, SyncBody
    out.push(0x46); // Alert
    text(&mut out, 0x4B, "2");
    text(&mut out, 0x4F, "1201");
    out.extend([0x01, 0x60]); // end, Replace
    text(&mut out, 0x4B, "3");
    out.push(0x54); // Item
    located(&mut out, 0x6E, "./Vendor/MSFT/WiFi/Profile/Lab/WlanXml");
    opaque(&mut out, 0x4F, profile);
    out.extend([0x01, 0x01, 0x12, 0x01, 0x01]); // ends, Final, ends
    out
}

fn text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.extend([tag, 0x03]);
    out.extend(text.as_bytes());
    out.extend([0x00, 0x01]);
}

fn opaque(out: &mut Vec<u8>, tag: u8, octets: &str) {
    let len = u8::try_from(octets.len()).unwrap();
    assert!(len < 0x80);
    out.extend([tag, 0xC3, len]);
    out.extend(octets.as_bytes());
    out.push(0x01);
}

fn located(out: &mut Vec<u8>, tag: u8, uri: &str) {
    out.push(tag);
    text(out, 0x57, uri);
    out.push(0x01);
}
