import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { askSecret, type Terminal } from '../../cli/ask.ts';
import { StoreError } from '../../src/base/errors.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

interface FakeTerminal extends Terminal {
  readonly modes: boolean[];
  readonly shown: string[];
  type(keys: string | Uint8Array): void;
  hangUp(): void;
}

function terminal(): FakeTerminal {
  const stream = new PassThrough();
  const modes: boolean[] = [];
  const shown: string[] = [];
  const input = Object.assign(stream, { setRawMode: (isRaw: boolean) => modes.push(isRaw) });
  return {
    input,
    modes,
    shown,
    write: (text) => void shown.push(text),
    close: () => undefined,
    type: (keys) => void stream.write(keys),
    hangUp: () => void stream.end(),
  };
}

/** What is answered when `keys` are typed. */
function answer(keys: string): Promise<string> {
  const at = terminal();
  at.type(keys);
  return askSecret(at, 'Secret: ', 64);
}

test.each([
  ['a line', 'correct horse\r', 'correct horse'],
  ['a line that ends as in a file', 'correct horse\n', 'correct horse'],
  ['a corrected letter', 'corrext\x7f\x7f\x7fect\r', 'correct'],
  ['a corrected letter of several bytes', 'né✓\x7f\x7f\x08ok\r', 'ok'],
  ['more corrections than letters', 'ab\x7f\x7f\x7fcd\r', 'cd'],
  ['a line begun again', 'wrong\x15right\r', 'right'],
  ['arrow keys', 'ab\x1b[D\x1b[1;5Cc\x1bOH\r', 'abc'],
  ['pasted text', '\x1b[200~zoo zoo\x1b[201~\r', 'zoo zoo'],
  ['letters of all kinds', 'pässword ✓ 🐎\r', 'pässword ✓ 🐎'],
  ['nothing', '\r', ''],
])('%s is read as it is meant', async (_, keys, expected) => {
  expect(await answer(keys)).toBe(expected);
});

test('letters cut in two by the terminal are put together', async () => {
  const at = terminal();
  const asked = askSecret(at, 'Secret: ', 64);
  for (const byte of Buffer.from('né✓\r')) at.type(Uint8Array.of(byte));
  expect(await asked).toBe('né✓');
});

test('nothing that is typed is shown, and echo comes back', async () => {
  const at = terminal();
  at.type('hidden\r');
  await askSecret(at, 'Secret: ', 64);
  expect(at.shown).toEqual(['Secret: ', '\n']);
  expect(at.modes).toEqual([true, false]);
});

test('what is typed ahead answers the next question', async () => {
  const at = terminal();
  at.type('first\rsecond\r');
  expect(await askSecret(at, '1: ', 64)).toBe('first');
  expect(await askSecret(at, '2: ', 64)).toBe('second');
});

test.each([
  ['Ctrl-C', 'abc\x03'],
  ['Ctrl-D on an empty line', '\x04'],
])('%s gives up, and echo comes back', async (_, keys) => {
  const at = terminal();
  at.type(keys);
  await expectCodeAsync('ABORTED', askSecret(at, 'Secret: ', 64));
  expect(at.modes).toEqual([true, false]);
});

test('a terminal that goes away gives up', async () => {
  const at = terminal();
  const asked = askSecret(at, 'Secret: ', 64);
  at.hangUp();
  await expectCodeAsync('ABORTED', asked);
});

test('a signal ends the question', async () => {
  const at = terminal();
  const controller = new AbortController();
  const asked = askSecret(at, 'Secret: ', 64, controller.signal);
  controller.abort(new StoreError('ABORTED', 'interrupted'));
  expect((await expectCodeAsync('ABORTED', asked)).message).toBe('interrupted');
  expect(at.modes).toEqual([true, false]);
  await expect(askSecret(at, 'Secret: ', 64, controller.signal)).rejects.toThrow('interrupted');
});

test('a line without end is refused at its bound', async () => {
  await expectCodeAsync('INVALID_ARGUMENT', answer('x'.repeat(65)));
  expect(await answer(`${'x'.repeat(64)}\r`)).toHaveLength(64);
});
