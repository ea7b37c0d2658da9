'use strict';
/**
 * An ISO 8583 till built on npm `iso_8583`, and a wallet built on npm `emv-qrcps`: neither shares code with
 * Obverse.
 *
 *   node peer.js ask HOST PORT   fields of one request on stdin; prints the fields of the answer
 *   node peer.js pack            a list of fields on stdin; prints the messages as text
 *   node peer.js unpack          a list of messages as text on stdin; prints their fields
 *   node peer.js wallet          a list of {aid, label, pan} on stdin; prints the payloads of their QR codes
 *
 * Little has to be told to the library, everything else is its own. Bitmaps travel here as hexadecimal text,
 * and there is a second one only where a field above 64 is present; so do PIN blocks (52); and DE 53 is what
 * ISO 8583:1987 says it is, 16 digits.
 */
const net = require('net');
const Iso8583 = require('iso_8583');
const { Consumer } = require('emv-qrcps');

const TEXT_FIELDS = {
  52: { ContentType: 'an', Label: 'PIN block', LenType: 'fixed', MaxLen: 16 },
  53: { ContentType: 'n', Label: 'Security related control information', LenType: 'fixed', MaxLen: 16 },
};
const TEXT_BITMAP = { 1: { ContentType: 'an', Label: 'Bitmap', LenType: 'fixed', MaxLen: 16 } };
const TIMEOUT_MS = 10000;

function pack(fields) {
  const message = new Iso8583(fields, { ...TEXT_BITMAP, ...TEXT_FIELDS }).getRawMessage();
  if (message.error) throw new Error(message.error);
  return message; // it always writes both bitmaps, which is allowed: the second may be empty
}

function unpack(message) {
  const bitmapEnd = parseInt(message.toString('latin1', 4, 5), 16) & 8 ? 36 : 20;
  const bitmap = Buffer.from(message.toString('latin1', 4, bitmapEnd), 'hex');
  const binary = Buffer.concat([message.subarray(0, 4), bitmap, message.subarray(bitmapEnd)]);
  const fields = new Iso8583({}, TEXT_FIELDS).getIsoJSON(binary, { lenHeader: false });
  if (fields.error) throw new Error(fields.error);
  return fields;
}

function ask(fields, host, port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host);
    let received = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('hung up without an answer')));
    socket.on('connect', () => {
      const message = pack(fields);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(Buffer.concat([length, message]));
    });
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      resolve(unpack(received.subarray(2, 2 + received.readUInt16BE(0))));
      socket.end();
    });
  });
}

/** `pan` is in whole bytes: the library takes hexadecimal text, so its caller fills it up with F. */
function payload({ aid, label, pan }) {
  const data = Consumer.buildBERTLV();
  data.setDataApplicationDefinitionFileName(aid);
  data.setDataApplicationLabel(label);
  data.setDataApplicationPAN(pan);
  const application = Consumer.buildApplicationTemplate();
  application.setBERTLV(data);
  const code = Consumer.buildEMVQR();
  code.setDataPayloadFormatIndicator('CPV01');
  code.addApplicationTemplate(application);
  return code.generatePayload();
}

async function main([command, host, port]) {
  const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  if (command === 'ask') return ask(input, host, Number(port));
  if (command === 'pack') return input.map((fields) => pack(fields).toString('latin1'));
  if (command === 'unpack') return input.map((text) => unpack(Buffer.from(text, 'latin1')));
  if (command === 'wallet') return input.map(payload);
  throw new Error('one of: ask, pack, unpack, wallet');
}

main(process.argv.slice(2)).then(
  (result) => console.log(JSON.stringify(result)),
  (error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);
