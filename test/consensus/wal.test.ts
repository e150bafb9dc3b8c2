import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { concat } from '../../src/base/bytes.ts';
import { crc32 } from '../../src/base/crc32.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { WAL_LENGTH_MAX } from '../../src/base/limits.ts';
import type { Input } from '../../src/consensus/types.ts';
import {
  encodeWalHeader,
  encodeWalRecord,
  readWal,
  WAL_HEADER_LENGTH,
  WAL_RECORD_HEAD_LENGTH,
  type WalContents,
  type WalOwner,
  walStart,
} from '../../src/consensus/wal.ts';
import { digestFrom } from '../helpers/records.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { anyHistory } from './inputs.ts';
import { castOf, network, vote } from './signed.ts';

const HEIGHT = 5;
const owner: WalOwner = { network, node: digestFrom<NodeId>('validator') };
const salt = digestFrom('salt').slice(0, 16);
const header = encodeWalHeader({ ...owner, height: HEIGHT, salt });
const first = walStart(header, HEIGHT);
const cast = castOf(1, 1, 1, 1);

interface Log {
  readonly bytes: Uint8Array;
  /** Where record i begins; one more for the end. */
  readonly offsets: readonly number[];
  /** What each record says of the log's durable part. */
  readonly synced: readonly number[];
}

/** A log in which a sync ended before each record i with `isSynced(i)`. The start is always durable before the next record. */
function logOf(inputs: readonly Input[], isSynced: (index: number) => boolean = () => true): Log {
  const parts = [header];
  const [offsets, synced] = [[header.length], [] as number[]];
  let syncedLength = 0;
  for (const [sequence, input] of inputs.entries()) {
    const at = offsets.at(-1)!;
    if (sequence === 1 || (sequence > 1 && isSynced(sequence))) syncedLength = at;
    const record = encodeWalRecord(input, { ...first, sequence }, syncedLength);
    parts.push(record);
    synced.push(syncedLength);
    offsets.push(at + record.length);
  }
  return { bytes: concat(...parts), offsets, synced };
}

const read = (bytes: Uint8Array): WalContents => readWal(bytes, owner, 'the log');
const damage = (bytes: Uint8Array): string => expectCode('DAMAGED', () => read(bytes)).message;

const votes = (count: number): Input[] =>
  Array.from({ length: count }, (_, index) => ({
    kind: 'message',
    message: vote(cast, index % 4, { round: index + 3 }),
  }));
const start: Input = {
  kind: 'start-height',
  start: {
    height: HEIGHT,
    validators: cast.set,
    proposers: { firstHeight: 1, slots: [0, 1, 2, 3] },
    self: 2,
  },
};

test('replay gives what was appended, in order', () => {
  fc.assert(
    fc.property(anyHistory(HEIGHT), fc.infiniteStream(fc.boolean()), (inputs, syncs) => {
      const log = logOf(inputs, () => syncs.next().value);
      const contents = read(log.bytes);
      expect(contents.inputs).toEqual(inputs);
      expect(contents).toMatchObject({ height: HEIGHT, isTorn: false, length: log.bytes.length });
      expect(contents.position).toEqual({ ...first, sequence: inputs.length });
    }),
  );
});

test('a log cut anywhere behind its first record reads as a beginning of it, before that as damaged', () => {
  const inputs = [start, ...votes(6)];
  const { bytes, offsets } = logOf(inputs);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    if (length < offsets[1]!) {
      expect(damage(cut)).toMatch(/^the log is damaged at byte (0|128): /);
      continue;
    }
    const count = offsets.filter((offset) => offset <= length).length - 1;
    const contents = read(cut);
    expect(contents.inputs).toEqual(inputs.slice(0, count));
    expect(contents.length).toBe(offsets[count]);
    expect(contents.isTorn).toBe(length > offsets[count]!);
  }
});

/** What must be read when the record that holds byte `at` is spoilt: undefined where that is fatal. */
function twin(log: Log, at: number): number | undefined {
  const spoilt = log.offsets.findLastIndex((offset) => offset <= at);
  const isVouchedFor = log.synced.some((length, index) => index > spoilt && length > log.offsets[spoilt]!);
  return spoilt <= 0 || isVouchedFor ? undefined : spoilt;
}

test.each([
  ['a sync before each record', (): boolean => true],
  ['a sync before each third', (index: number): boolean => index % 3 === 0],
  ['no sync behind the start', (): boolean => false],
])(
  'any byte changed is fatal or cuts what was not vouched for, and never reads otherwise: %s',
  (_, isSynced) => {
    const inputs = [start, ...votes(8)];
    const log = logOf(inputs, isSynced);
    for (let at = 0; at < log.bytes.length; at++) {
      for (const change of [0x01, 0x40, 0xff]) {
        const spoilt = Uint8Array.from(log.bytes);
        spoilt[at]! ^= change;
        const count = twin(log, at);
        if (count === undefined) expect(damage(spoilt)).toMatch(/^the log is damaged at byte \d+: /);
        else {
          expect(read(spoilt).inputs).toEqual(inputs.slice(0, count));
          expect(read(spoilt)).toMatchObject({ isTorn: true, length: log.offsets[count] });
        }
      }
    }
  },
);

describe('behind the last record', () => {
  const { bytes, offsets } = logOf([start, ...votes(3)]);

  test('zeros are torn', () => {
    expect(read(concat(bytes, new Uint8Array(5000)))).toMatchObject({ isTorn: true, length: bytes.length });
  });

  test('noise is torn', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (noise) => {
        expect(read(concat(bytes, noise))).toMatchObject({ isTorn: true, length: bytes.length });
      }),
    );
  });

  test('the last record twice is damage: nobody writes that', () => {
    expect(damage(concat(bytes, bytes.subarray(offsets[3])))).toContain('record 3 stands where 4 belongs');
  });

  test('a record of another log is none', () => {
    const other = encodeWalHeader({ ...owner, height: HEIGHT, salt: salt.map((byte) => byte ^ 1) });
    const stray = encodeWalRecord(votes(1)[0]!, { ...walStart(other, HEIGHT), sequence: 4 }, bytes.length);
    expect(read(concat(bytes, stray))).toMatchObject({ isTorn: true, length: bytes.length });
  });
});

test('of records written without a sync between, a crash may keep a later one: the log is cut at the first that is gone', () => {
  const inputs = [start, ...votes(6)];
  const { bytes, offsets } = logOf(inputs, (index) => index < 3);
  const torn = Uint8Array.from(bytes).fill(0, offsets[3], offsets[4]);
  expect(read(torn)).toMatchObject({ isTorn: true, length: offsets[3] });
  expect(read(torn).inputs).toEqual(inputs.slice(0, 3));
});

test('a record that is gone though a later one says it was durable is named by its place', () => {
  const { bytes, offsets } = logOf([start, ...votes(6)]);
  const holed = Uint8Array.from(bytes).fill(0, offsets[3], offsets[4]);
  const error = expectCode('DAMAGED', () => read(holed));
  expect(error.message).toContain(`damaged at byte ${offsets[3]}: record 4 behind it`);
  expect(error.next).toContain('Do not delete it');
});

test('a record cut out of the middle shows, though all that are left are whole', () => {
  const { bytes, offsets } = logOf([start, ...votes(6)]);
  const joined = concat(bytes.subarray(0, offsets[3]), bytes.subarray(offsets[4]));
  expect(damage(joined)).toContain('record 4 stands where 3 belongs');
});

describe('is refused', () => {
  const { bytes } = logOf([start, ...votes(2)]);
  const resealed = (at: number, value: number): Uint8Array => {
    const changed = Uint8Array.from(bytes);
    changed[at] = value;
    new DataView(changed.buffer).setUint32(124, crc32(changed, 0, 0, 124));
    return changed;
  };

  test('a log of another network', () => {
    const error = expectCode('WRONG_NETWORK', () =>
      readWal(bytes, { ...owner, network: digestFrom('other') }, 'the log'),
    );
    expect(error.message).toContain('belongs to network');
  });

  test('a log of another validator', () => {
    const error = expectCode('INVALID_CONFIG', () =>
      readWal(bytes, { ...owner, node: digestFrom('other') }, 'the log'),
    );
    expect(error.message).toContain('belongs to validator');
  });

  test('another format, another protocol', () => {
    expectCode('UNSUPPORTED', () => read(resealed(19, 2)));
    expectCode('UNSUPPORTED', () => read(resealed(23, 9)));
  });

  test('one that is longer than any log, unread', () => {
    expect(damage(new Uint8Array(WAL_LENGTH_MAX + 1))).toContain('more than any log');
  });

  test('an intact record of another height, a second start, a log without start', () => {
    const end = bytes.length;
    const foreign = encodeWalRecord(
      { kind: 'timeout', timeout: 'propose', height: HEIGHT + 1, round: 0 },
      { ...first, height: HEIGHT + 1, sequence: 3 },
      end,
    );
    expect(damage(concat(bytes, foreign))).toContain('a timeout of height 6 in the log of 5');
    const secondStart = Uint8Array.from(encodeWalRecord(start, first, 0));
    new DataView(secondStart.buffer).setUint32(8, 3);
    new DataView(secondStart.buffer).setUint32(0, crc32(secondStart, first.seed, 4));
    expect(damage(concat(bytes, secondStart))).toContain('a start-height of height 5');
    expect(damage(header)).toContain('start of the height');
  });

  test('an intact record that is no input', () => {
    const stray = new Uint8Array(WAL_RECORD_HEAD_LENGTH + 1);
    const view = new DataView(stray.buffer);
    view.setUint32(4, 1);
    view.setUint32(8, 3);
    view.setUint32(0, crc32(stray, first.seed, 4));
    expect(damage(concat(bytes, stray))).toContain('record 3 is none of ours');
  });
});

test('what does not belong to the height is not written: that would be a defect of the engine', () => {
  const [input] = votes(1) as [Input];
  expect(() => encodeWalRecord(input, first, 0)).toThrow(AssertionError);
  expect(() => encodeWalRecord(start, { ...first, sequence: 1 }, 0)).toThrow(AssertionError);
  expect(() => encodeWalRecord(input, { ...first, height: 6, sequence: 1 }, 0)).toThrow(AssertionError);
  expect(WAL_HEADER_LENGTH).toBe(header.length);
});
