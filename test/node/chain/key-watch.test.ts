import { expect, test } from 'vitest';
import { equal } from '../../../src/base/bytes.ts';
import type { NetworkId, NodeId, Signature } from '../../../src/base/ids.ts';
import { KEY_WATCH_DECISIONS } from '../../../src/base/limits.ts';
import { guardRecord } from '../../../src/consensus/signer-guard.ts';
import { signBytes } from '../../../src/consensus/sign-bytes.ts';
import { type BlockId, type CommitCertificate, NO_ROUND, type Vote } from '../../../src/consensus/types.ts';
import { indexOf, validatorSet } from '../../../src/consensus/validator-set.ts';
import { KeyWatch } from '../../../src/node/chain/key-watch.ts';
import { nativeVerify } from '../../../src/runtime/crypto.ts';
import { signerFrom } from '../../helpers/records.ts';

const WATCH_MS = 1000;
const networkId = new Uint8Array(32).fill(7) as NetworkId;
const keys = ['a', 'b', 'c', 'd'].map((name) => signerFrom(name));
const [own] = keys as [(typeof keys)[0]];
const node = own.publicKey as NodeId;
const set = validatorSet(keys.map(({ publicKey }) => ({ node: publicKey as NodeId, power: 1n })));
const blockId = 'b1'.repeat(32) as BlockId;

function watched(): { readonly watch: KeyWatch; readonly clock: { now: number } } {
  const clock = { now: 0 };
  const ports = { clock: { monotonic: () => clock.now }, networkId, node, verify: nativeVerify };
  return { watch: new KeyWatch({ ...ports, watchMs: WATCH_MS }), clock };
}

const precommit = (height: number, round = 0): Omit<Vote, 'signature'> & { kind: 'precommit' } => ({
  kind: 'precommit',
  height,
  round,
  blockId,
  validRound: NO_ROUND,
  validator: indexOf(set, node)!,
});

function decision(height: number, signers = keys, round = 0): CommitCertificate {
  const signatures = signers.map((signer) => {
    const validator = indexOf(set, signer.publicKey)!;
    return {
      validator,
      signature: signer.sign(signBytes(networkId, { ...precommit(height, round), validator })),
    };
  });
  return { kind: 'commit-certificate', height, round, blockId, signatures };
}

const guard = (height: number, round = 0) => guardRecord(networkId, precommit(height, round));

test('what the guard let out is no sign of a second copy', () => {
  const { watch } = watched();
  for (const height of [3, 4, 5]) watch.decided(decision(height), set);
  expect(watch.isForeign(guard(5))).toBe(false);
  expect(watch.isForeign(guard(9))).toBe(false);
});

test('a signature later than the guard knows is one, in height or in round, whatever came after it', () => {
  const { watch } = watched();
  watch.decided(decision(5, keys, 2), set);
  watch.decided(decision(4), set);
  watch.decided(decision(6, keys.slice(1)), set);
  expect(watch.isForeign(guard(4))).toBe(true);
  expect(watch.isForeign(guard(5, 1))).toBe(true);
  expect(watch.isForeign(guard(5, 2))).toBe(false);
  expect(watch.isForeign(undefined)).toBe(true);
});

test('decisions of others, forged signatures and sets without the key accuse nobody', () => {
  const { watch } = watched();
  watch.decided(decision(5, keys.slice(1)), set);
  const { signatures, ...rest } = decision(6);
  const forged = signatures.map((each) => ({ ...each, signature: new Uint8Array(64) as Signature }));
  watch.decided({ ...rest, signatures: forged }, set);
  watch.decided(decision(7), undefined);
  watch.decided(decision(8), validatorSet(set.validators.filter((each) => !equal(each.node, node))));
  expect(watch.isForeign(undefined)).toBe(false);
});

test('the key may sign once the chain has stood still for long enough', () => {
  const { watch, clock } = watched();
  expect(watch.waitMs).toBe(WATCH_MS);
  clock.now = 900;
  watch.moved();
  expect(watch.waitMs).toBe(WATCH_MS);
  clock.now = 1899;
  expect(watch.waitMs).toBe(1);
  clock.now = 1900;
  expect(watch.waitMs).toBe(0);
  watch.moved();
  expect(watch.waitMs).toBe(0);
});

test('or has gone on for a few decisions after the node was first called', () => {
  const { watch } = watched();
  for (let count = 0; count < 100; count++) watch.moved();
  expect(watch.waitMs).toBe(WATCH_MS);
  for (let count = 1; count < KEY_WATCH_DECISIONS; count++) watch.moved();
  expect(watch.waitMs).toBe(WATCH_MS);
  watch.moved();
  expect(watch.waitMs).toBe(0);
});
