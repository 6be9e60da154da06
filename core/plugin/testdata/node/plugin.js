#!/usr/bin/env node
// A hearth plugin that is a program and needs no SDK and no packages: an exporter of how long it runs. The protocol is
// the part of sdk/abi/ABI.md on programs; gRPC is HTTP/2, which Node.js has.
'use strict';
const http2 = require('node:http2');
const path = require('node:path');

if (process.env.HEARTH_PLUGIN !== 'v1') {
  console.error('This is a hearth plugin: hearth starts it.');
  process.exit(1);
}

let settings = {};

/** What the plugin does: an operation's request in, its result out. An error thrown becomes an error body. */
const operations = {
  describe: () => JSON.stringify({ abi: '1.1', kinds: ['exporter'] }),
  configure: (request) => {
    settings = JSON.parse(request);
    const unknown = Object.keys(settings).filter((key) => key !== 'greeting');
    if (unknown.length > 0) throw failure('invalid_request', `settings: unknown ${unknown}`);
    return '';
  },
  collect: (request) => {
    const { address } = JSON.parse(request);
    if (address === 'fail') throw failure('unavailable', 'told to fail', true);
    if (address === 'exit') process.exit(3);
    console.error(JSON.stringify({ '@level': 'info', '@message': 'collecting', address }));
    return `# TYPE said gauge\nsaid{text=${JSON.stringify(settings.greeting ?? 'hello')}} 1\n`;
  },
};

function failure(code, message, retryable = false) {
  return Object.assign(new Error(message), { body: { code, message, retryable } });
}

/** One call: the length of the operation's name, the name, the request; the answer is 0 and the result, or 1 and an error. */
function call(bytes) {
  const name = bytes.subarray(1, 1 + bytes[0]).toString();
  try {
    const operation = operations[name];
    if (!operation) throw failure('unimplemented', `this plugin has no operation ${name}`);
    return Buffer.concat([Buffer.of(0), Buffer.from(operation(bytes.subarray(1 + bytes[0]).toString()))]);
  } catch (err) {
    return Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify(err.body ?? { code: 'internal', message: String(err) }))]);
  }
}

/** google.protobuf.BytesValue: field 1, its length as a varint, the bytes. No bytes are no field. */
function decode(message) {
  if (message.length === 0) return message;
  let at = 1;
  while (message[at++] & 0x80);
  return message.subarray(at);
}

function encode(bytes) {
  const head = [0x0a];
  let n = bytes.length;
  for (; n > 0x7f; n = Math.floor(n / 128)) head.push((n % 128) | 0x80);
  return Buffer.concat([Buffer.from([...head, n]), bytes]);
}

const server = http2.createServer();
server.on('stream', (stream, headers) => {
  if (headers[':path'] !== '/hearth.v1.Plugin/Call') { // go-plugin's own services, which a plugin need not have
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
    return;
  }
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => {
    const answer = encode(call(decode(Buffer.concat(chunks).subarray(5)))); // after a flag and a length
    const head = Buffer.alloc(5);
    head.writeUInt32BE(answer.length, 1);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.concat([head, answer]));
  });
  stream.on('error', () => {}); // the caller has given up
});

const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR, 'plugin');
server.listen(socket, () => console.log(`1|1|unix|${socket}|grpc|`));
process.stdin.resume().on('end', () => process.exit(0)); // hearth stops it, or is gone
