# Runs libsrtp for the tests: a request a line, an answer a line. A context is one key in one direction.
import sys
from pylibsrtp import Policy, Session

suites = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
directions = {"out": Policy.SSRC_ANY_OUTBOUND, "in": Policy.SSRC_ANY_INBOUND}
contexts = {}

for line in sys.stdin:
    verb, context, *rest = line.split()
    try:
        if verb == "new":
            direction, suite, key = rest
            contexts[context] = Session(Policy(key=bytes.fromhex(key), ssrc_type=directions[direction], srtp_profile=suites[suite]))
            print("")
        else:
            print(getattr(contexts[context], verb)(bytes.fromhex(rest[0])).hex())
    except Exception as e:
        print("error", e)
    sys.stdout.flush()
