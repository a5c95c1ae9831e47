"""Paho for Python against the gateway: says good, wrong, forbidden and too large things and prints
as JSON what it was answered."""

import argparse
import json
import queue

import paho.mqtt.client as mqtt

LIMIT_S = 20

options = argparse.ArgumentParser()
options.add_argument("--level", type=int, choices=(4, 5), required=True)
options.add_argument("--way", choices=("tcp", "tls", "websocket"), required=True)
options.add_argument("--port", type=int, required=True)
options.add_argument("--ca")
options.add_argument("--id", required=True)
options.add_argument("--good", required=True)
asked = options.parse_args()


class Client:
    """A connected client whose callbacks are put into queues."""

    def __init__(self, client_id):
        transport = "websockets" if asked.way == "websocket" else "tcp"
        self.mqtt = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=asked.level, transport=transport
        )
        if transport == "websockets":
            self.mqtt.ws_set_options(path="/mqtt")
        if asked.way == "tls":
            self.mqtt.tls_set(ca_certs=asked.ca)
        self.connack, self.suback, self.acks, self.messages, self.end = (queue.Queue() for _ in range(5))
        self.mqtt.on_connect = lambda _c, _u, _flags, code, _p: self.connack.put(code.value)
        self.mqtt.on_subscribe = lambda _c, _u, _mid, codes, _p: self.suback.put([c.value for c in codes])
        self.mqtt.on_publish = lambda _c, _u, mid, code, p: self.acks.put((mid, code.value, words(p)))
        self.mqtt.on_message = lambda _c, _u, message: self.messages.put(message)
        self.mqtt.on_disconnect = lambda _c, _u, _flags, code, _p: self.end.put(code.value)
        self.mqtt.connect("localhost" if asked.way == "tls" else "127.0.0.1", asked.port)
        self.mqtt.loop_start()
        self.code = self.connack.get(timeout=LIMIT_S)

    def publish(self, topic, payload, qos=1):
        """Publishes; the ack's code and words."""
        mid = self.mqtt.publish(topic, payload, qos=qos).mid
        got, code, why = self.acks.get(timeout=LIMIT_S)
        assert got == mid, f"ack of {got}, not {mid}"
        return {"code": code, "words": why}


def words(properties):
    return getattr(properties, "ReasonString", "") if properties is not None else ""


client = Client(asked.id)
out = {"connack": client.code}
own = f"ioc/v1/devices/{asked.id}/errors"
client.mqtt.subscribe([(own, 1), ("#", 0)])
out["suback"] = client.suback.get(timeout=LIMIT_S)
topic = f"ioc/v1/hai_chau/air/{asked.id}/obs"
out["good"] = client.publish(topic, asked.good)
out["twice"] = client.publish(topic, asked.good, qos=2)
out["bad"] = client.publish(topic, "not json")
error = client.messages.get(timeout=LIMIT_S)
out["errors"] = {"topic": error.topic, "said": json.loads(error.payload)}
out["forbidden"] = client.publish("ioc/v1/alerts/air/x/1", "forged")
client.mqtt.disconnect()
out["goodbye"] = client.end.get(timeout=LIMIT_S)
client.mqtt.loop_stop()

large = Client(f"{asked.id}-large")
large.mqtt.publish(topic, "x" * 70_000, qos=1)
out["too_large"] = large.end.get(timeout=LIMIT_S)
large.mqtt.disconnect()
large.mqtt.loop_stop()
print(json.dumps(out))
