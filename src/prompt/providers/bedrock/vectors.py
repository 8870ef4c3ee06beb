"""Generates vectors.json: requests to Bedrock as botocore signs them. pip install botocore; python vectors.py > vectors.json"""

import datetime
import json
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CORE = "/model/stability.stable-image-core-v1%3A1/invoke"
CASES = [
    ("us-west-2", None, CORE, '{"prompt":"beach"}', None),
    ("us-west-2", None, CORE, '{"prompt":"beach"}', "SESSIONTOKENEXAMPLE"),
    ("us-east-1", None, "/model/amazon.nova-canvas-v1%3A0/invoke", '{"taskType":"TEXT_IMAGE"}', None),
    ("eu-central-1", None, "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A1%3Ainference-profile%2Fx/invoke", "{}", None),
    ("us-west-2", "http://127.0.0.1:5566", CORE, '{"prompt":"Düne, 砂浜"}', None),
    ("us-west-2", "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com", CORE, "", "TOKEN+/="),
]


def vector(region, base, path, body, token):
    now = datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone.utc)
    url = (base or f"https://bedrock-runtime.{region}.amazonaws.com") + path
    headers = {"accept": "application/json", "content-type": "application/json"}
    request = AWSRequest("POST", url, headers=headers, data=body.encode())
    keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        botocore.auth.SigV4Auth(keys, "bedrock", region).add_auth(request)
    return {
        "url": url, "region": region, "time": int(now.timestamp()), "token": token, "body": body,
        "authorization": request.headers["Authorization"],
    }


print(json.dumps([vector(*case) for case in CASES], indent=1, ensure_ascii=False))
