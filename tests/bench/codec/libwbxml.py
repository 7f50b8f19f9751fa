"""libwbxml decoding WBXML to XML, through its C library: one line of seconds per call for each line read."""
import ctypes
import sys
import time

library = ctypes.CDLL("libwbxml2.so.1")
converter = ctypes.c_void_p()
run = library.wbxml_conv_wbxml2xml_run
run.argtypes = [
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_uint,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_uint),
]
library.wbxml_conv_wbxml2xml_create.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
assert library.wbxml_conv_wbxml2xml_create(ctypes.byref(converter)) == 0
free = ctypes.CDLL(None).free
free.argtypes = [ctypes.c_void_p]
document = open(sys.argv[1], "rb").read()
round_seconds = float(sys.argv[2])
xml, length = ctypes.c_void_p(), ctypes.c_uint()


def decode():
    code = run(converter, document, len(document), ctypes.byref(xml), ctypes.byref(length))
    assert code == 0, code
    free(xml)


decode()
print("ready", flush=True)
for _ in sys.stdin:
    start, runs = time.perf_counter(), 0
    while time.perf_counter() - start < round_seconds:
        decode()
        runs += 1
    print((time.perf_counter() - start) / runs, flush=True)
