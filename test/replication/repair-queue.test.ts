import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareUrgency, type RepairEntry, RepairQueue } from '../../src/replication/repair-queue.ts';

const entry = (key: string, margin: number, sharedRisk = 1, sizeBytes = 1): RepairEntry<string> => ({
  key,
  margin,
  sharedRisk,
  sizeBytes,
});

function drained(queue: RepairQueue<string>): string[] {
  const keys: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) keys.push(next.key);
  return keys;
}

test('the order is margin, then shared risk, then size, then arrival', () => {
  const queue = new RepairQueue<string>();
  const offered = [
    entry('late', 3, 1, 10),
    entry('twin', 3, 1, 10),
    entry('small', 3, 1, 5),
    entry('one rack', 3, 4, 99),
    entry('thin', 0, 1, 99),
    entry('unreadable', -1),
  ];
  for (const each of offered) queue.offer(each);
  expect(queue.peek()!.key).toBe('unreadable');
  expect(drained(queue)).toEqual(['unreadable', 'thin', 'one rack', 'small', 'late', 'twin']);
  expect(queue.take()).toBeUndefined();
});

test('a full queue gives up its least risky segment for a riskier one, and says which', () => {
  const queue = new RepairQueue<string>(2);
  queue.offer(entry('a', 5));
  queue.offer(entry('b', 4));
  expect(queue.offer(entry('c', 5))).toEqual({ isQueued: false, dropped: entry('c', 5) });
  expect(queue.offer(entry('d', 1))).toEqual({ isQueued: true, dropped: entry('a', 5) });
  expect([queue.has('a'), queue.has('d'), queue.size]).toEqual([false, true, 2]);
  expect(drained(queue)).toEqual(['d', 'b']);
});

test('a segment that waits moves with its urgency and keeps its turn among equals', () => {
  const queue = new RepairQueue<string>();
  for (const key of ['a', 'b', 'c']) queue.offer(entry(key, 2));
  queue.offer(entry('c', 1));
  expect(queue.peek()!.key).toBe('c');
  queue.offer(entry('a', 1));
  expect(drained(queue)).toEqual(['a', 'c', 'b']);
});

const commands = fc.array(
  fc.record({
    kind: fc.constantFrom('offer', 'offer', 'offer', 'take', 'remove'),
    key: fc.integer({ min: 0, max: 12 }).map(String),
    margin: fc.integer({ min: -1, max: 3 }),
    sharedRisk: fc.integer({ min: 1, max: 2 }),
    sizeBytes: fc.integer({ min: 1, max: 2 }),
  }),
  { maxLength: 60 },
);

test('it does what a list does that is sorted anew each time', () => {
  fc.assert(
    fc.property(commands, fc.integer({ min: 1, max: 8 }), (script, capacity) => {
      const queue = new RepairQueue<string>(capacity);
      let list: RepairEntry<string>[] = [];
      let arrivals: string[] = [];
      const sort = (): void => {
        list.sort(
          (a, b) => compareUrgency(a, b) || arrivals.lastIndexOf(a.key) - arrivals.lastIndexOf(b.key),
        );
      };
      for (const { kind, ...offered } of script) {
        const known = list.some(({ key }) => key === offered.key);
        if (kind === 'take') {
          expect(queue.take()).toEqual(list.shift());
        } else if (kind === 'remove') {
          expect(queue.remove(offered.key)).toBe(known);
          list = list.filter(({ key }) => key !== offered.key);
        } else {
          if (!known) arrivals = [...arrivals, offered.key];
          list = [...list.filter(({ key }) => key !== offered.key), offered];
          sort();
          const dropped = list.length > capacity ? list.pop() : undefined;
          expect(queue.offer(offered)).toEqual({ isQueued: dropped?.key !== offered.key, dropped });
        }
        expect(queue.size).toBe(list.length);
        expect(queue.peek()).toEqual(list[0]);
      }
      expect(drained(queue)).toEqual(list.map(({ key }) => key));
    }),
    { numRuns: 500 },
  );
});
