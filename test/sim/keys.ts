// Keys of simulated validators. The cheap kind signs with a checksum over public key and text: nobody in a simulation forges by
// luck, and whoever wants to forge on purpose signs with the wrong key and is found out like anywhere else.

import type { NodeId, Signature } from '../../src/base/ids.ts';
import type { Signer, Verify } from '../../src/base/ports.ts';
import { nativeSigner, nativeVerify } from '../../src/runtime/crypto.ts';
import type { SeededRandom } from './random.ts';

export interface SimKeys {
  readonly signers: readonly Signer[];
  readonly verify: Verify;
}

/** `count` different keys. Real ones sign with ed25519, at a hundred times the cost. */
export function simKeys(random: SeededRandom, count: number, isReal: boolean): SimKeys {
  const signers = Array.from({ length: count }, () =>
    isReal ? nativeSigner(random.bytes(32)) : cheapSigner(random.bytes(32) as NodeId),
  );
  return { signers, verify: isReal ? nativeVerify : cheapVerify };
}

function cheapSigner(publicKey: NodeId): Signer {
  return {
    publicKey,
    sign: (message) => {
      const signature = new Uint8Array(64) as Signature;
      const sum = checksum(publicKey, message);
      for (let i = 0; i < 4; i++) signature[i] = sum >>> (8 * i);
      return signature;
    },
  };
}

const cheapVerify: Verify = (publicKey, message, signature) => {
  if (signature.length !== 64) return false;
  const stated = signature[0]! | (signature[1]! << 8) | (signature[2]! << 16) | (signature[3]! << 24);
  return stated >>> 0 === checksum(publicKey, message);
};

/** Those who say the same sign one text, handed out as one array. */
let latestText: Uint8Array | undefined;
let latestSum = 0;

function checksum(key: Uint8Array, text: Uint8Array): number {
  if (text !== latestText) {
    latestSum = sumOf(text);
    latestText = text;
  }
  const word = key[0]! | (key[1]! << 8) | (key[2]! << 16) | (key[3]! << 24);
  const sum = Math.imul(latestSum ^ word, 0x01000193);
  return (sum ^ (sum >>> 13)) >>> 0;
}

/** FNV-1a over four bytes at a time. */
function sumOf(text: Uint8Array): number {
  let sum = 0x811c9dc5;
  const whole = text.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const word = text[i]! | (text[i + 1]! << 8) | (text[i + 2]! << 16) | (text[i + 3]! << 24);
    sum = Math.imul(sum ^ word, 0x01000193);
    sum ^= sum >>> 15;
  }
  for (let i = whole; i < text.length; i++) sum = Math.imul(sum ^ text[i]!, 0x01000193);
  return sum;
}
