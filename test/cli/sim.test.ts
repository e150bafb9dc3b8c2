import { expect, test } from 'vitest';
import type { Context } from '../../cli/command.ts';
import { sim } from '../../cli/sim.ts';
import { checkSize, parseDisaster, parseRate, type SimFlags } from '../../cli/sim-flags.ts';
import { optionsOf } from '../../cli/program.ts';
import { resolveFlags } from '../../cli/settings.ts';
import { expectCode } from '../helpers/expect-code.ts';

/** What the command reports, and what it prints. */
async function run(
  given: Readonly<Record<string, string>>,
  signal: AbortSignal = new AbortController().signal,
): Promise<{ text: string; value: Record<string, unknown> }> {
  let found = { text: '', value: {} };
  const output = {
    isLive: false,
    result: (text: string, value: Record<string, unknown>) => (found = { text, value }),
    note: () => undefined,
    live: () => undefined,
    style: (_style: string, text: string) => text,
  };
  const flags = resolveFlags('sim', optionsOf(sim), given, {}, {}, '/nowhere');
  await sim.run({ output, signal, home: '/nowhere' } as unknown as Context, [], flags);
  return found;
}

const SMALL = { segments: '200', days: '120', nodes: '20', code: '4/12' };

test('a run reports what was lost and moved, the model, and the command that repeats it', async () => {
  const { text, value } = await run(SMALL);
  expect(value).toMatchObject({
    seed: 7,
    days: 120,
    nodes: 20,
    segments: 200,
    code: '4/12',
    repairAt: 8,
    lost: 0,
  });
  expect(value['piecesLeft']).toHaveLength(13);
  expect(JSON.parse(JSON.stringify(value))).toMatchObject({ model: { expansion: 3 }, incidents: [] });
  expect(text).toContain('lost            0 of 200 segments');
  expect(text).toContain('no incidents');
  expect(text).toContain(`again: ${String(value['command'])}`);
});

test('the command it prints makes the same run', async () => {
  const first = await run({
    ...SMALL,
    churn: '2/month',
    outages: '3/month',
    rot: '1/month',
    disaster: '50%@60',
  });
  const words = String(first.value['command']).split(' ').slice(2);
  const given: Record<string, string> = {};
  for (let at = 0; at < words.length; at += 2) {
    given[words[at]!.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())] =
      words[at + 1]!;
  }
  expect((await run(given)).value).toEqual(first.value);
  expect(first.value['incidentCount']).toBeGreaterThan(0);
});

test('without losses there is no model of them, and the report says so', async () => {
  const { text, value } = await run({ ...SMALL, churn: '0%/year', days: '5' });
  expect(value).toMatchObject({ movedBytes: 0, model: { nines: null, movedShare: null } });
  expect(text).toContain('none: no node is lost');
});

test('a run ends when it is interrupted', async () => {
  const controller = new AbortController();
  const running = run({ ...SMALL, days: '30000' }, controller.signal);
  controller.abort(new Error('interrupted'));
  await expect(running).rejects.toThrow('interrupted');
});

test.each([
  ['10%/month', { value: 0.1, isShare: true, periodYears: 1 / 12 }],
  ['0.5%/year', { value: 0.005, isShare: true, periodYears: 1 }],
  ['2/week', { value: 2, isShare: false, periodYears: 7 / 365.25 }],
])('%s is a rate', (text, rate) => {
  expect(parseRate(text, '--churn')).toMatchObject({ ...rate, text });
});

test.each(['', '10%', '100%/month', '-1/day', '1/hour', '10 %/month', '1e3/day', '12345/day'])(
  '%j is no rate',
  (text) => {
    expectCode('INVALID_ARGUMENT', () => parseRate(text, '--churn'));
  },
);

test('a disaster is a share and a day', () => {
  expect(parseDisaster('30%@180', '--disaster')).toEqual({ share: 0.3, day: 180, text: '30%@180' });
  for (const text of ['30@180', '101%@1', '30%', '%@', '30%@-1']) {
    expectCode('INVALID_ARGUMENT', () => parseDisaster(text, '--disaster'));
  }
});

test('what cannot be run is refused before it begins', () => {
  const flags = { nodes: 20, segments: 1000, days: 365 } as SimFlags;
  expectCode('NOT_ENOUGH_OPERATORS', () => checkSize(flags, { k: 4, n: 21 }, 1));
  expectCode('INVALID_ARGUMENT', () => checkSize({ ...flags, segments: 100_000_000 }, { k: 4, n: 12 }, 1));
  expectCode('INVALID_ARGUMENT', () =>
    checkSize({ ...flags, nodes: 1000, days: 36_500 }, { k: 4, n: 12 }, 1),
  );
  checkSize(flags, { k: 4, n: 12 }, 1);
});
