import { expect, test } from 'vitest';
import {
  decodeEpoch,
  encodeEpoch,
  findMember,
  networkIdOf,
  shardOf,
  signEpoch,
  verifyEpoch,
} from '../../src/base/epoch.ts';
import type { Epoch, NetworkId } from '../../src/base/ids.ts';
import { portableVerify } from '../../src/base/keys.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom, sampleEpoch, sampleGenesis, sampleMembers, signerFrom } from '../helpers/records.ts';

const genesis = sampleGenesis();
const network = networkIdOf(genesis);
const founder = signerFrom('genesis of sample');
const signed = signEpoch(genesis, sampleEpoch(sampleMembers(5)), founder);

test('a signed record survives the wire, its members sorted', () => {
  const decoded = decodeEpoch(encodeEpoch(signed), network, portableVerify);
  expect(decoded).toEqual(signed);
  expect(findMember(decoded.record, signerFrom('node 3').publicKey)?.operator).toBe('operator-3');
  expect(findMember(decoded.record, digestFrom('nobody'))).toBeUndefined();
});

test('a record of another network, signer or content is refused', () => {
  expectCode('WRONG_NETWORK', () => verifyEpoch(signed, digestFrom<NetworkId>('other'), portableVerify));
  const other = { ...signed, genesis: sampleGenesis('other') };
  expectCode('WRONG_NETWORK', () => verifyEpoch(other, network, portableVerify));
  const changed = { ...signed, record: { ...signed.record, epoch: 1 as Epoch } };
  expectCode('INVALID_SIGNATURE', () => verifyEpoch(changed, network, portableVerify));
  const thief = signEpoch(genesis, signed.record, signerFrom('thief'));
  expectCode('INVALID_SIGNATURE', () => verifyEpoch(thief, network, portableVerify));
});

test('a record that lists a node twice is refused although it is signed', () => {
  const members = sampleMembers(3);
  const twice = signEpoch(genesis, sampleEpoch([...members, members[0]!]), founder);
  expectCode('INVALID_ENCODING', () => verifyEpoch(twice, network, portableVerify));
});

test('the shard of a key is its first bits', () => {
  const key = new Uint8Array(32);
  key.set([0b1011_0110, 0b1100_0000]);
  expect([0, 1, 2, 4, 8, 10].map((bits) => shardOf(key, bits))).toEqual([
    0, 1, 2, 0b1011, 0b1011_0110, 0b10_1101_1011,
  ]);
});
