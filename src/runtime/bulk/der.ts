// The little of DER that a certificate of the bulk lane needs: writing nested values, and walking one that was received. What
// OpenSSL has parsed is walked here again only to find an extension, so everything but definite lengths and tags of one
// byte is refused. Certificates are bounded before they come here.

import { concat } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';

export const TAG: {
  readonly boolean: number;
  readonly integer: number;
  readonly bitString: number;
  readonly octetString: number;
  readonly utcTime: number;
  readonly generalizedTime: number;
  readonly sequence: number;
  readonly version: number;
  readonly extensions: number;
} = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  version: 0xa0,
  extensions: 0xa3,
};

export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

/** A value of at most 65,535 bytes around `parts`. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concat(new Uint8Array([tag, ...head]), ...parts);
}

/** The values that `bytes` consist of, one after the other. Throws PROTOCOL. */
export function decodeDer(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const value = valueAt(bytes, at);
    values.push(value);
    at += value.whole.length;
  }
  return values;
}

function valueAt(bytes: Uint8Array, at: number): DerValue {
  const tag = bytes[at]!;
  const first = bytes[at + 1] ?? 0x80;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  // 0x80 is the indefinite length of BER; tags from 31 on take more bytes.
  if ((tag & 0x1f) === 0x1f || first === 0x80 || lengthBytes > 2) throw malformed();
  const start = at + 2 + lengthBytes;
  if (start > bytes.length) throw malformed();
  let length = lengthBytes === 0 ? first : 0;
  for (let index = at + 2; index < start; index++) length = length * 256 + bytes[index]!;
  if (start + length > bytes.length) throw malformed();
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}

/** X.509 dates: two digits for the year until 2049, four from then on. */
export function encodeTime(timeMs: number): Uint8Array {
  const digits = `${new Date(timeMs).toISOString().replaceAll(/\.\d+|[-:TZ]/g, '')}Z`;
  const isShort = digits < '2050';
  return encodeDer(
    isShort ? TAG.utcTime : TAG.generalizedTime,
    new Uint8Array(Buffer.from(isShort ? digits.slice(2) : digits, 'latin1')),
  );
}

function malformed(): StoreError {
  return new StoreError('PROTOCOL', "the peer's certificate is not DER");
}
