import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Agenda } from '../../src/forecast/agenda.ts';

test('events come by time, those of one time in the order in which they were put down', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 })),
      fc.integer({ min: 0, max: 25 }),
      (times, until) => {
        const agenda = new Agenda<number>();
        times.forEach((time, index) => agenda.at(time, index));
        const wanted = [...times.keys()]
          .filter((index) => times[index]! <= until)
          .sort((a, b) => times[a]! - times[b]! || a - b);
        const found: number[] = [];
        for (let event = agenda.next(until); event !== undefined; event = agenda.next(until)) {
          expect(agenda.nowMs).toBe(times[event]);
          found.push(event);
        }
        expect(found).toEqual(wanted);
        expect(agenda.nowMs).toBe(until);
      },
    ),
  );
});

test('what is put down while the clock runs is not in the past, and what never happens does not', () => {
  const agenda = new Agenda<string>();
  agenda.at(10, 'first');
  agenda.at(Number.POSITIVE_INFINITY, 'never');
  expect(agenda.next(100)).toBe('first');
  agenda.at(5, 'late');
  expect(agenda.next(100)).toBe('late');
  expect(agenda.nowMs).toBe(10);
  expect(agenda.next(Number.MAX_SAFE_INTEGER)).toBeUndefined();
});
