import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from '../../src/base/bytes.ts';
import { crc32 } from '../../src/base/crc32.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { SIGN_BYTES_LENGTH_MAX } from '../../src/base/limits.ts';
import {
  emptyGuardFile,
  encodeGuardSlot,
  GUARD_FILE_LENGTH,
  GUARD_PAGE_LENGTH,
  GUARD_SLOT_LENGTH,
  GUARD_STATE_LENGTH,
  type GuardOwner,
  type GuardRecord,
  type GuardState,
  guardRecord,
  guardSlotOffset,
  isForeign,
  isRemembered,
  judge,
  readGuard,
} from '../../src/consensus/signer-guard.ts';
import { digestFrom } from '../helpers/records.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { A, anyProposal, anyVote, B, castOf, network, precommit, proposal, vote } from './signed.ts';

const owner: GuardOwner = { network, node: digestFrom<NodeId>('validator') };
const cast = castOf(1, 1, 1, 1);
const KINDS = ['proposal', 'prevote', 'precommit'] as const;
const anyRecord = fc.record({
  height: fc.integer({ min: 0, max: 3 }),
  round: fc.integer({ min: 0, max: 3 }),
  kind: fc.constantFrom(...KINDS),
  signBytes: fc.uint8Array({ minLength: 1, maxLength: 2 }).map((bytes) => Uint8Array.from(bytes)),
});

describe('a message is signed', () => {
  test('when its place is later by height, then round, then kind, and the same one again; nothing else', () => {
    const place = ({ height, round, kind }: GuardRecord): number =>
      height * 100 + round * 10 + KINDS.indexOf(kind);
    fc.assert(
      fc.property(anyRecord, anyRecord, (last, request) => {
        const judgement = judge(last, request);
        const isSame = Buffer.compare(last.signBytes, request.signBytes) === 0;
        if (place(request) > place(last)) expect(judgement).toBe('sign');
        else if (place(request) < place(last)) expect(judgement).toBe('behind');
        else expect(judgement).toBe(isSame ? 'repeat' : 'conflict');
      }),
      { numRuns: 2000 },
    );
  });

  test('when it is the first', () => {
    fc.assert(
      fc.property(anyRecord, (request) => {
        expect(judge(undefined, request)).toBe('sign');
      }),
    );
  });

  test('and in any sequence of requests no place is signed with two texts', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 60 }), (requests) => {
        let last: GuardRecord | undefined;
        const texts = new Map<string, string>();
        for (const request of requests) {
          const judgement = judge(last, request);
          if (judgement !== 'sign' && judgement !== 'repeat') continue;
          last = request;
          const place = `${request.height}/${request.round}/${request.kind}`;
          const text = Buffer.from(request.signBytes).toString('hex');
          expect(texts.get(place) ?? text).toBe(text);
          texts.set(place, text);
        }
      }),
    );
  });

  test('as its sign bytes say: another block, nil or another valid round is another text', () => {
    const last = guardRecord(network, vote(cast, 0));
    expect(judge(last, guardRecord(network, vote(cast, 0)))).toBe('repeat');
    expect(judge(last, guardRecord(network, vote(cast, 0, { blockId: B })))).toBe('conflict');
    expect(judge(last, guardRecord(network, vote(cast, 0, { blockId: null })))).toBe('conflict');
    expect(judge(last, guardRecord(network, vote(cast, 0, { validRound: 1 })))).toBe('conflict');
    expect(judge(last, guardRecord(network, proposal(cast, 0)))).toBe('behind');
    expect(judge(last, guardRecord(network, precommit(cast, 0)))).toBe('sign');
  });
});

test('what is heard under the own key is foreign when the guard cannot have let it out', () => {
  const last = guardRecord(network, vote(cast, 0, { blockId: A }));
  expect(isForeign(last, last)).toBe(false);
  expect(isForeign(last, guardRecord(network, vote(cast, 0, { round: 1 })))).toBe(false);
  expect(isForeign(last, guardRecord(network, vote(cast, 0, { blockId: B })))).toBe(true);
  expect(isForeign(last, guardRecord(network, precommit(cast, 0)))).toBe(true);
  expect(isForeign(undefined, last)).toBe(true);
});

test('a replay knows of the last signature if it is of a height before, or asked for that very text', () => {
  const last = guardRecord(network, precommit(cast, 0));
  const other = guardRecord(network, precommit(cast, 0, { blockId: B }));
  const later = guardRecord(network, vote(cast, 0, { round: 3 }));
  expect(isRemembered(undefined, 5, [])).toBe(true);
  expect(isRemembered(last, 6, [])).toBe(true);
  expect(isRemembered(last, 5, [guardRecord(network, vote(cast, 0)), last])).toBe(true);
  expect(isRemembered(last, 5, [last, later])).toBe(true);
  expect(isRemembered(last, 5, [])).toBe(false);
  expect(isRemembered(last, 5, [other, later])).toBe(false);
  expect(isRemembered(last, 4, [])).toBe(false);
});

// ---- On disk ---------------------------------------------------------------------------------------------------

const anyState: fc.Arbitrary<GuardState> = fc.record({
  last: fc.oneof(anyProposal, anyVote).map((message) => guardRecord(network, message)),
  sequence: fc.integer({ min: 1, max: 2 ** 50 }),
});

/** The file after `states` were written, each in its slot. */
function fileOf(...states: readonly GuardState[]): Uint8Array {
  const file = emptyGuardFile(owner);
  for (const state of states) file.set(encodeGuardSlot(state, owner), guardSlotOffset(state.sequence));
  return file;
}

const read = (file: Uint8Array): GuardState => readGuard(file, owner, 'the guard');
const before: GuardState = { last: guardRecord(network, vote(cast, 0)), sequence: 6 };
const after: GuardState = { last: guardRecord(network, precommit(cast, 0)), sequence: 7 };

test('a state comes back as it was, from whichever slot', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      expect(read(fileOf(state))).toEqual(state);
    }),
  );
});

test('a new file says that nothing was signed', () => {
  expect(emptyGuardFile(owner).length).toBe(GUARD_FILE_LENGTH);
  expect(read(emptyGuardFile(owner))).toEqual({ last: undefined, sequence: 0 });
});

test('the newer of two slots counts', () => {
  expect(read(fileOf(before, after))).toEqual(after);
  expect(read(fileOf(after, { ...before, sequence: 8 })).sequence).toBe(8);
});

test('a write torn anywhere leaves the state before or the new one', () => {
  const [old, slot] = [fileOf(before), encodeGuardSlot(after, owner)];
  for (let length = 0; length <= GUARD_SLOT_LENGTH; length += 41) {
    const torn = Uint8Array.from(old);
    torn.set(slot.subarray(0, length), guardSlotOffset(after.sequence));
    expect(read(torn)).toEqual(length < GUARD_STATE_LENGTH ? before : after);
    torn.set(old.subarray(GUARD_SLOT_LENGTH), guardSlotOffset(after.sequence));
    torn.set(slot.subarray(length), guardSlotOffset(after.sequence) + length);
    expect(read(torn)).toEqual(length > GUARD_PAGE_LENGTH ? before : after);
  }
  // Both pages at once.
  const at = guardSlotOffset(after.sequence);
  expect(read(Uint8Array.from(old).fill(0xee, at, at + GUARD_SLOT_LENGTH))).toEqual(before);
});

test('any byte changed, or any one page lost, changes nothing', () => {
  const file = fileOf(before, after);
  for (let at = 0; at < GUARD_FILE_LENGTH; at++) {
    if (at % GUARD_PAGE_LENGTH > GUARD_STATE_LENGTH) continue;
    const spoilt = Uint8Array.from(file);
    spoilt[at]! ^= 1 << (at % 8);
    expect(read(spoilt)).toEqual(after);
  }
  for (let page = 0; page < 4; page++) {
    const spoilt = Uint8Array.from(file);
    spoilt.fill(0xee, page * GUARD_PAGE_LENGTH, (page + 1) * GUARD_PAGE_LENGTH);
    expect(read(spoilt)).toEqual(after);
  }
});

describe('is refused', () => {
  test('a file of which no page is readable, or of another length', () => {
    const error = expectCode('DAMAGED', () => read(new Uint8Array(GUARD_FILE_LENGTH)));
    expect(error.message).toBe('guard file the guard is damaged: no page of it is readable');
    expectCode('DAMAGED', () => read(fileOf(after).subarray(1)));
    expectCode('DAMAGED', () => read(concat(fileOf(after), new Uint8Array(1))));
    expectCode('DAMAGED', () => read(new Uint8Array()));
  });

  test('the guard of another network or key; of any key when none is expected', () => {
    const file = fileOf(after);
    expectCode('WRONG_NETWORK', () => readGuard(file, { ...owner, network: digestFrom('other') }, 'x'));
    expectCode('INVALID_CONFIG', () => readGuard(file, { ...owner, node: digestFrom('other') }, 'x'));
    expect(readGuard(file, { network, node: undefined }, 'x')).toEqual(after);
  });

  test.each([
    ['another format', 19, [2], 'UNSUPPORTED'],
    ['a height above the bound', 92, [0, 2], 'DAMAGED'],
    ['a round above the bound', 100, [0x80], 'DAMAGED'],
    ['a kind that does not exist', 105, [4], 'DAMAGED'],
    ['a text longer than its field', 106, [1, 1], 'DAMAGED'],
  ] as const)('%s behind a good checksum', (_, at, bytes, code) => {
    const file = emptyGuardFile(owner);
    file.set(bytes, at);
    const checksumAt = GUARD_STATE_LENGTH - 4;
    new DataView(file.buffer).setUint32(checksumAt, crc32(file, 0, 0, checksumAt));
    expectCode(code, () => read(file));
  });
});

test('every text that validators sign fits', () => {
  fc.assert(
    fc.property(fc.oneof(anyProposal, anyVote), (message) => {
      expect(guardRecord(network, message).signBytes.length).toBeLessThanOrEqual(SIGN_BYTES_LENGTH_MAX / 2);
    }),
  );
});
