// MQTT.js against the gateway: says good, wrong, forbidden and too large things and prints as JSON
// what it was answered. MQTT_JS names the folder it is installed in.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const mqtt = createRequire(`${process.env.MQTT_JS}/`)('mqtt');
const LIMIT_MS = 20_000;
const names = ['level', 'way', 'port', 'ca', 'id', 'good'];
const { values: asked } = parseArgs({
  options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
});

/** A connected client with all packets it gets, to be waited for by type. */
class Client {
  constructor(clientId) {
    const [scheme, host, path] = {
      tcp: ['mqtt', '127.0.0.1', ''],
      tls: ['mqtts', 'localhost', ''],
      websocket: ['ws', '127.0.0.1', '/mqtt'],
    }[asked.way];
    this.packets = [];
    this.waiting = [];
    this.mqtt = mqtt.connect(`${scheme}://${host}:${asked.port}${path}`, {
      clientId,
      protocolVersion: Number(asked.level),
      reconnectPeriod: 0,
      ca: asked.ca ? readFileSync(asked.ca) : undefined,
    });
    this.mqtt.on('packetreceive', (packet) => this.put(packet));
    this.mqtt.on('close', () => this.put({ cmd: 'closed' }));
    this.mqtt.on('error', (error) => this.put({ cmd: 'error', error: String(error) }));
  }

  put(packet) {
    const at = this.waiting.findIndex((w) => w.cmds.includes(packet.cmd));
    if (at < 0) this.packets.push(packet);
    else this.waiting.splice(at, 1)[0].resolve(packet);
  }

  next(...cmds) {
    const at = this.packets.findIndex((p) => cmds.includes(p.cmd));
    if (at >= 0) return this.packets.splice(at, 1)[0];
    return new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`no ${cmds} in time`)), LIMIT_MS).unref();
      this.waiting.push({ cmds, resolve });
    });
  }

  async publish(topic, payload, qos = 1) {
    // What the server answers is looked at as it came; the callback's error says the same.
    this.mqtt.publish(topic, payload, { qos }, () => {});
    const ack = await this.next(qos === 2 ? 'pubcomp' : 'puback');
    return { code: ack.reasonCode ?? 0, words: ack.properties?.reasonString ?? '' };
  }
}

const client = new Client(asked.id);
const connack = await client.next('connack', 'error');
const out = { connack: connack.reasonCode ?? connack.returnCode ?? connack.error };
const own = `ioc/v1/devices/${asked.id}/errors`;
client.mqtt.subscribe({ [own]: { qos: 1 }, '#': { qos: 0 } }, () => {});
out.suback = (await client.next('suback')).granted.map((g) => g.qos ?? g);
const topic = `ioc/v1/hai_chau/air/${asked.id}/obs`;
out.good = await client.publish(topic, asked.good);
out.twice = await client.publish(topic, asked.good, 2);
out.bad = await client.publish(topic, 'not json');
const error = await client.next('publish');
out.errors = { topic: error.topic, said: JSON.parse(error.payload) };
out.forbidden = await client.publish('ioc/v1/alerts/air/x/1', 'forged');
client.mqtt.end();
await client.next('closed');
out.goodbye = 0;

const large = new Client(`${asked.id}-large`);
await large.next('connack');
let refused;
large.mqtt.publish(topic, 'x'.repeat(70_000), { qos: 1 }, (error) => {
  refused = error;
});
const end = await large.next('disconnect', 'closed', 'error');
out.too_large = end.cmd === 'disconnect' ? end.reasonCode : String(end.error ?? refused ?? end.cmd);
large.mqtt.end(true);
console.log(JSON.stringify(out));
