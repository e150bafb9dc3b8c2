import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isNegated,
  optionKey,
  optionName,
  parseAddress,
  parseChoice,
  parseCode,
  parseCount,
  parseDomain,
  parseLabel,
  parseRange,
  parseSize,
} from '../../cli/args.ts';
import { StoreError } from '../../src/base/errors.ts';

const size = parseSize(0, Number.MAX_SAFE_INTEGER);

function refused(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError);
    expect((error as StoreError).code).toBe('INVALID_ARGUMENT');
    expect((error as StoreError).next).toMatch(/^Give .+\.$/);
    return (error as StoreError).message;
  }
  throw new Error('was accepted');
}

test('the name of an option is its long flag', () => {
  const option = (flags: string): string[] => [
    optionName({ flags, help: '' }),
    optionKey(optionName({ flags, help: '' })),
  ];
  expect(option('-q, --quiet')).toEqual(['quiet', 'quiet']);
  expect(option('--allow-same-operator')).toEqual(['allow-same-operator', 'allowSameOperator']);
  expect(option('--no-wait')).toEqual(['wait', 'wait']);
  expect(isNegated({ flags: '--no-wait', help: '' })).toBe(true);
});

test('sizes are binary unless they say otherwise', () => {
  const texts = ['0', '4096', '16MiB', '16M', '16m', '16MB', '1.5GiB', '1 KiB', '7b'];
  expect(texts.map((text) => size(text, '--segment'))).toEqual([
    0, 4096, 16777216, 16777216, 16777216, 16000000, 1610612736, 1024, 7,
  ]);
});

test('a size out of bounds or of another form is refused and the flag is named', () => {
  for (const text of ['', '-1', '1e9', 'MiB', '1MiBs', '0x10', '1,5G', '9'.repeat(20)]) {
    expect(refused(() => size(text, '--memory'))).toContain('--memory');
  }
  expect(refused(() => parseSize(1024, 2048)('4096', '--segment'))).toBe(
    '--segment: "4096" is not a size from 1024 to 2048 bytes',
  );
});

test('a code is k/n with 1 <= k <= n <= 255', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), (k, n) => {
      const text = `${k}/${n}`;
      if (k >= 1 && k <= n && n <= 255) expect(parseCode(text, '--code')).toEqual({ k, n });
      else refused(() => parseCode(text, '--code'));
    }),
  );
  for (const text of ['', '3', '3/', '/7', '3-7', '3/7/9', '03x/7']) refused(() => parseCode(text, '--code'));
});

test('a range includes both ends', () => {
  expect(parseRange('5', '--range')).toEqual({ offset: 5 });
  expect(parseRange('5-', '--range')).toEqual({ offset: 5 });
  expect(parseRange('0-0', '--range')).toEqual({ offset: 0, length: 1 });
  expect(parseRange('10-19', '--range')).toEqual({ offset: 10, length: 10 });
  for (const text of ['', '-5', '9-3', 'a-b', '1-2-3']) refused(() => parseRange(text, '--range'));
});

test('counts, choices, names and domains keep to their bounds', () => {
  expect(parseCount(1, 9)('9', '--nodes')).toBe(9);
  for (const text of ['0', '10', '1.5', '', 'x', '1e1']) refused(() => parseCount(1, 9)(text, '--nodes'));
  expect(refused(() => parseChoice(['bulk', 'control'])('tls', '--lane'))).toContain('one of bulk, control');
  expect(parseLabel('op-1.x_y', '--operator')).toBe('op-1.x_y');
  for (const text of ['', '-a', 'A', 'a b', 'a'.repeat(65)]) refused(() => parseLabel(text, '--operator'));
  expect(parseDomain('rack=r1', '--domain')).toEqual(['rack', 'r1']);
  for (const text of ['rack', '=r1', 'rack=', 'Rack=1']) refused(() => parseDomain(text, '--domain'));
});

test('an address is host and port', () => {
  expect(parseAddress('10.0.0.2:4001', '--listen')).toEqual({ host: '10.0.0.2', port: 4001 });
  expect(parseAddress(':0', '--listen')).toEqual({ host: '', port: 0 });
  expect(parseAddress('[::1]:4001', '--listen')).toEqual({ host: '::1', port: 4001 });
  for (const text of ['4001', '::1:4001', 'host:', 'host:65536', 'a b:1']) {
    refused(() => parseAddress(text, '--listen'));
  }
});
