import { expect, test } from 'vitest';
import type { NodeId } from '../../../src/base/ids.ts';
import { CATCH_UP_DELAY_MS } from '../../../src/base/limits.ts';
import type { CommitCertificate } from '../../../src/consensus/types.ts';
import { CatchUp } from '../../../src/node/validator/catch-up.ts';
import type { Decision } from '../../../src/node/validator/host-ports.ts';
import { A } from '../../helpers/agreement.ts';
import { HandClock } from './hand-clock.ts';

const node = (name: number): NodeId => new Uint8Array(32).fill(name) as NodeId;

function decisionOf(height: number): Decision {
  const certificate: CommitCertificate = {
    kind: 'commit-certificate',
    height,
    round: 0,
    blockId: A,
    signatures: [],
  };
  return { certificate, block: new Uint8Array(1) };
}

/** A validator at `height` whose peers answer as `answer` says; a decision taken moves it on when `isMoving`. */
function setUp(answer: (from: number, height: number) => Decision | undefined, isMoving = true) {
  const hand = new HandClock();
  const asked: string[] = [];
  const own = { height: 5 as number | undefined };
  const catchUp: CatchUp = new CatchUp({
    clock: { timer: (delayMs, run) => hand.schedule(delayMs, run) },
    height: () => own.height,
    ask: async (from, height) => {
      asked.push(`${from[0]}:${height}`);
      return answer(from[0]!, height);
    },
    take: (_from, { certificate }) => {
      if (!isMoving) return;
      own.height = certificate.height + 1;
      catchUp.advanced();
    },
  });
  return { hand, asked, own, catchUp };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('whoever is far behind asks for one height after the other, until it is level', async () => {
  const { hand, asked, own, catchUp } = setUp((_from, height) => decisionOf(height));
  catchUp.heard(node(1), 9);
  for (let turn = 0; turn < 3; turn++) {
    hand.advance(0);
    await settle();
  }
  expect(asked).toEqual(['1:5', '1:6', '1:7']);
  expect(own.height).toBe(8);
  hand.advance(0);
  await settle();
  expect(asked.length).toBe(3);
  hand.advance(CATCH_UP_DELAY_MS);
  await settle();
  expect(asked.at(-1)).toBe('1:8');
  hand.advance(10 * CATCH_UP_DELAY_MS);
  await settle();
  expect(own.height).toBe(9);
  expect(asked.length).toBe(4);
});

test('of one height somebody is always a little ahead: it is waited for, and usually nobody is asked', async () => {
  const { hand, asked, own, catchUp } = setUp((_from, height) => decisionOf(height));
  catchUp.heard(node(1), 6);
  hand.advance(CATCH_UP_DELAY_MS - 1);
  own.height = 6;
  catchUp.advanced();
  hand.advance(10 * CATCH_UP_DELAY_MS);
  await settle();
  expect(asked).toEqual([]);
});

test('somebody who is seen two heights ahead is not waited for any more', async () => {
  const { hand, asked, catchUp } = setUp((_from, height) => decisionOf(height));
  catchUp.heard(node(1), 6);
  catchUp.heard(node(1), 7);
  hand.advance(0);
  await settle();
  expect(asked).toEqual(['1:5']);
});

test('whoever gives nothing is left alone until he speaks again, and others are asked', async () => {
  const { hand, asked, own, catchUp } = setUp((from, height) =>
    from === 2 ? decisionOf(height) : undefined,
  );
  catchUp.heard(node(1), 99);
  catchUp.heard(node(2), 7);
  hand.advance(0);
  await settle();
  hand.advance(CATCH_UP_DELAY_MS);
  await settle();
  expect(asked).toEqual(['1:5', '2:5']);
  expect(own.height).toBe(6);
});

test('a liar costs a request every delay, however often he speaks, and decisions that are no good keep nobody from others', async () => {
  const { hand, asked, catchUp } = setUp((_from, height) => decisionOf(height), false);
  for (let turn = 0; turn < 20; turn++) {
    catchUp.heard(node(1), 1000 + turn);
    if (turn === 1) catchUp.heard(node(2), 8);
    hand.advance(CATCH_UP_DELAY_MS / 10);
    await settle();
  }
  expect(asked).toEqual(['1:5', '2:5']);
});

test('before the start and after the stop nobody is asked', async () => {
  const { hand, asked, own, catchUp } = setUp((_from, height) => decisionOf(height));
  own.height = undefined;
  catchUp.heard(node(1), 9);
  own.height = 5;
  catchUp.heard(node(1), 9);
  catchUp.stop();
  catchUp.heard(node(2), 9);
  hand.advance(10 * CATCH_UP_DELAY_MS);
  await settle();
  expect(asked).toEqual([]);
  expect(hand.waiting).toBe(0);
});
