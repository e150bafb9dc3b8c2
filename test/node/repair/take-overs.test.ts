import { expect, test } from 'vitest';
import { REPLACEMENTS_MAX, TAKE_OVERS_OPEN_MAX } from '../../../src/base/limits.ts';
import type { NodeId, ObjectId, Signature } from '../../../src/base/ids.ts';
import type { LossCause } from '../../../src/node/repair/own-share.ts';
import { type TakenPiece, TakeOvers } from '../../../src/node/repair/take-overs.ts';
import { digestFrom } from '../../helpers/records.ts';

const SELF = digestFrom<NodeId>('self');
const object = (name: string): ObjectId => digestFrom<ObjectId>(name);

function piece(
  of: string,
  segmentIndex: number,
  from: string,
  cause: LossCause = { kind: 'silent' },
): TakenPiece {
  const signature = new Uint8Array(64) as Signature;
  return {
    object: object(of),
    from: digestFrom<NodeId>(from),
    cause,
    replacement: { segmentIndex, pieceIndex: 0, signature },
  };
}

const counts = (taken: ReturnType<TakeOvers['take']>): readonly number[] =>
  taken.map(({ pieces }) => pieces.length);

test('pieces of one object, holder and cause go together, and no others', () => {
  const takeOvers = new TakeOvers(SELF);
  for (const each of [
    piece('a', 0, 'x'),
    piece('a', 1, 'x'),
    piece('a', 2, 'y'),
    piece('b', 0, 'x'),
    piece('a', 3, 'x', { kind: 'gone' }),
  ]) {
    takeOvers.add(each, 0);
  }
  const taken = takeOvers.take(1);
  expect(counts(taken)).toEqual([2, 1, 1, 1]);
  expect(taken.map(({ action }) => action.kind)).toEqual([
    'repair-pieces',
    'repair-pieces',
    'repair-pieces',
    'replace-holder',
  ]);
  expect(taken[0]!.action.parameters).toMatchObject({
    object: object('a'),
    holder: SELF,
    loss: { kind: 'silent' },
  });
  expect(takeOvers.size).toBe(0);
});

test('what is full goes at once, the rest when it has waited, and the oldest when too many are open', () => {
  const takeOvers = new TakeOvers(SELF);
  for (let segment = 0; segment < REPLACEMENTS_MAX; segment++) takeOvers.add(piece('full', segment, 'x'), 10);
  takeOvers.add(piece('young', 0, 'x'), 10);
  expect(counts(takeOvers.take(10))).toEqual([REPLACEMENTS_MAX]);
  expect(counts(takeOvers.take(11))).toEqual([1]);
  for (let index = 0; index < TAKE_OVERS_OPEN_MAX + 2; index++)
    takeOvers.add(piece(`open ${index}`, 0, 'x'), 20);
  const taken = takeOvers.take(0);
  expect(taken.map(({ pieces }) => pieces[0]!.object)).toEqual([object('open 0'), object('open 1')]);
});
