import { expect, test } from 'vitest';
import { createMemoryGate } from '../../src/client/memory.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const never = new AbortController().signal;

test('never more than the limit is out, first come first served', async () => {
  const gate = createMemoryGate(10);
  const order: string[] = [];
  const first = await gate.take(6, never);
  const second = gate.take(6, never).then((give) => {
    order.push('second');
    return give;
  });
  const third = gate.take(1, never).then((give) => {
    order.push('third');
    return give;
  });
  await Promise.resolve();
  expect(order).toEqual([]);
  first();
  const giveSecond = await second;
  const giveThird = await third;
  expect(order).toEqual(['second', 'third']);
  giveSecond();
  giveThird();
});

test('one request larger than the limit is let through, alone', async () => {
  const gate = createMemoryGate(10);
  const small = await gate.take(1, never);
  let isLarge = false;
  const large = gate.take(100, never).then((give) => {
    isLarge = true;
    return give;
  });
  await Promise.resolve();
  expect(isLarge).toBe(false);
  small();
  const give = await large;
  give();
  (await gate.take(10, never))();
});

test('giving back twice counts once', async () => {
  const gate = createMemoryGate(10);
  const give = await gate.take(6, never);
  const other = await gate.take(4, never);
  give();
  give();
  let isServed = false;
  void gate.take(7, never).then(() => {
    isServed = true;
  });
  await Promise.resolve();
  expect(isServed).toBe(false);
  other();
});

test('who gives up leaves the line, and lets those behind through', async () => {
  const gate = createMemoryGate(10);
  const first = await gate.take(6, never);
  const abort = new AbortController();
  const large = gate.take(9, abort.signal);
  const small = gate.take(2, never);
  abort.abort();
  await expectCodeAsync('ABORTED', large);
  (await small)();
  first();
  await expectCodeAsync('ABORTED', gate.take(1, AbortSignal.abort()));
});

test('what is lent is called back, once, when somebody else has to wait', async () => {
  const gate = createMemoryGate(10);
  const give = await gate.take(6, never);
  let calls = 0;
  gate.lend(() => {
    calls++;
    give();
  });
  (await gate.take(4, never))();
  expect(calls).toBe(0);
  const second = await gate.take(6, never);
  expect(calls).toBe(1);
  const third = gate.take(6, never);
  expect(calls).toBe(1);
  second();
  (await third)();
});

test('what is lent while others wait already is called back at once', async () => {
  const gate = createMemoryGate(10);
  const give = await gate.take(6, never);
  const second = gate.take(6, never);
  gate.lend(give);
  (await second)();
});

test('a loan that has ended is not called back', async () => {
  const gate = createMemoryGate(10);
  const give = await gate.take(6, never);
  let calls = 0;
  gate.lend(() => calls++)();
  const second = gate.take(6, never);
  expect(calls).toBe(0);
  give();
  (await second)();
});

test('of many loans only the latest two last', () => {
  const gate = createMemoryGate(1000);
  const called: number[] = [];
  for (let loan = 0; loan < 5; loan++) gate.lend(() => called.push(loan));
  expect(called).toEqual([0, 1, 2]);
});
