import { expect, test } from 'vitest';
import { settingsOf } from './flags.ts';

test('without flags it is a campaign over two hundred seeds, one in a hundred twice', () => {
  expect(settingsOf([])).toMatchObject({
    from: 1,
    to: 200,
    isCampaign: true,
    twiceShare: 0.01,
    isJson: false,
  });
  expect(settingsOf([])!.untilMs).toBe(Number.POSITIVE_INFINITY);
});

test('one seed is no campaign', () => {
  const settings = settingsOf(['--seed', '9007199254740991', '--real-signatures']);
  expect(settings).toMatchObject({ from: Number.MAX_SAFE_INTEGER, isCampaign: false });
  expect(settings!.options.hasRealSignatures).toBe(true);
});

test('a campaign of whole nodes has one process, or as many as it is told', () => {
  expect(settingsOf(['--chain'])).toMatchObject({ isChain: true, jobs: 1 });
  expect(settingsOf(['--chain', '--jobs', '2'])).toMatchObject({ jobs: 2 });
});

test('detection is by itself', () => {
  expect(settingsOf(['--detection', '--seeds', '1..1000'])).toMatchObject({ isDetection: true, to: 1000 });
  expect(() => settingsOf(['--detection', '--chain'])).toThrow(/by itself/);
});

test('help is no run', () => {
  expect(settingsOf(['--help'])).toBeUndefined();
});

test.each([
  [['--seed', 'x'], /--seed: "x" is no whole number/],
  [['--seed', '-1'], /--seed/],
  [['--seed', '9007199254740992'], /--seed/],
  [['--seed', '1', '--seeds', '1..2'], /exclude each other/],
  [['--seeds', '5..1'], /5 is above 1/],
  [['--seeds', '5'], /not of the form A\.\.B/],
  [['--seeds', '1..2..3'], /not of the form A\.\.B/],
  [['--minutes', '0'], /--minutes/],
  [['--minutes', 'soon'], /--minutes: "soon" is no number/],
  [['--twice', '101'], /--twice: "101" is no number from 0 to 100/],
  [['--jobs', '2'], /--jobs is for --chain/],
  [['--chain', '--jobs', '0'], /--jobs: "0" is no number from 1/],
  [['--lines', '0'], /--lines: "0" is no number from 1/],
  [['--bogus'], /--bogus/],
  [['1'], /1/],
])('%j is refused', (args, message) => {
  expect(() => settingsOf(args)).toThrow(message);
});
