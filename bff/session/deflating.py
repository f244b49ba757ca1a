"""Deflating with a dictionary of what tokens and records are made of: they are too short to teach it any."""

import zlib

import msgspec

# Part of the records' second form: it may never change, or what was written with it cannot be read.
# What occurs most stands last, where references to it are shortest (RFC 1950 §2.2).
_WORDS = (
    b'"groups":["resource_access":{"account":{"roles":["manage-account","view-profile"]}}"realm_access":{"roles":['
    b'"offline_access","uma_authorization"]}"acr":"1","amr":["pwd","mfa"]"allowed-origins":["https://"]"client_id":"'
    b'"cid":""uid":""scp":["openid","profile"]"oid":""tid":""uti":""ver":"2.0""appid":""rh":""ipaddr":""aio":""xms_'
    b'"cognito:groups":["cognito:username":""token_use":"access""origin_jti":""event_id":""gty":""permissions":['
    b'"urn:zitadel:iam:org:project:roles":{"zoneinfo":"Europe/","locale":"en-GB","updated_at":"picture":"https://'
    b'"phone_number":"+"nickname":""given_name":"","family_name":"","preferred_username":"","email":"@example.com",'
    b'"email_verified":true,"name":""c_hash":""s_hash":""at_hash":"","nonce":"","session_state":"","sid":"",'
    b'"typ":"ID","azp":"","aud":"account","scope":"openid profile email offline_access","roles":["admin","user",'
    b'"reader","writer"],"auth_time":17,"typ":"Bearer","sub":"","aud":["https://api.","iss":"https://login.",'
    b'"jti":"","iat":17,"nbf":17,"exp":17{"alg":"ES256","typ":"JWT","kid":"{"typ":"at+jwt","alg":"RS256","kid":"'
    b'{"alg":"RS256","typ":"JWT","kid":"'
    b"\xa6claims\xa4name\xaapreferred_username\xa5scope\xbdopenid profile offline_access\xa9issuer_sid\xa6handle"
    b"\xa6issuer\xa8https://\xa7subject\xa5roles\xa9issued_at\xcbA\xda\xb0token_expires_at\xcbA\xda\xaacreated_at"
    b"\xcbA\xda\xaaexpires_at\xcbA\xda\xa8jws_open\x82\xacaccess_token\x92\xc4\xa8id_token\x92\xc4"
)
_WINDOW = -13  # raw deflate; 8 KiB, which holds the dictionary and nearly every record
MOST = 8 * 1024 * 1024  # bytes of text; an issuer's answer is held to far less


def deflate(text: bytes) -> bytes:
    """Compress. Never hand it a credential: see `bff.session.record_form`."""
    compressor = zlib.compressobj(wbits=_WINDOW, zdict=_WORDS)
    return compressor.compress(text) + compressor.flush()


def inflate(deflated: bytes) -> bytes:
    """Decompress what `deflate` gave.

    Raises:
        msgspec.DecodeError: it is something else, or would grow beyond `MOST`.
    """
    decompressor = zlib.decompressobj(wbits=_WINDOW, zdict=_WORDS)
    try:
        text = decompressor.decompress(deflated, MOST)
    except zlib.error as error:
        raise msgspec.DecodeError("not deflated") from error
    if not decompressor.eof or decompressor.unused_data:
        raise msgspec.DecodeError("cut short, too large, or followed by something")
    return text
