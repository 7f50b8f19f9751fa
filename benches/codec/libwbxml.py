"""libwbxml decoding WBXML to XML, through its C library: one line of seconds per call for each line read."""
import ctypes
import sys
import time

library = ctypes.CDLL("libwbxml2.so.1")
convert = library.wbxml_conv_wbxml2xml_withlen
convert.argtypes = [
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_ulong),
    ctypes.c_void_p,
]
library.wbxml_free.argtypes = [ctypes.c_void_p]
document = open(sys.argv[1], "rb").read()
round_seconds = float(sys.argv[2])
xml, length = ctypes.c_void_p(), ctypes.c_ulong()


def decode():
    code = convert(document, len(document), ctypes.byref(xml), ctypes.byref(length), None)
    assert code == 0, code
    library.wbxml_free(xml)


decode()
print("ready", flush=True)
for _ in sys.stdin:
    start, runs = time.perf_counter(), 0
    while time.perf_counter() - start < round_seconds:
        decode()
        runs += 1
    print((time.perf_counter() - start) / runs, flush=True)
