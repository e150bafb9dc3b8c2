import { expect, test } from 'vitest';
import { nameOfBytes, RecentKeys } from '../../src/shards/recent-keys.ts';

test('what was asked for of late is not computed again, and what is kept is bounded', () => {
  const computed: string[] = [];
  const keys = new RecentKeys<string>(8);
  const get = (name: string): string =>
    keys.get(name, () => {
      computed.push(name);
      return `key of ${name}`;
    });
  for (let round = 0; round < 100; round++) {
    expect(get(`n${round}`)).toBe(`key of n${round}`);
    expect(get('often')).toBe('key of often');
  }
  expect(computed.filter((name) => name === 'often')).toEqual(['often']);
  for (let round = 0; round < 100; round++) get(`n${round}`);
  expect(computed).toHaveLength(201);
});

test('different bytes have different names', () => {
  const names = Array.from({ length: 256 }, (_, byte) => nameOfBytes(new Uint8Array([byte, 0, 255])));
  expect(new Set(names).size).toBe(256);
  expect(names.every((name) => name.length === 3)).toBe(true);
  expect(nameOfBytes(new Uint8Array([0, 1]))).not.toBe(nameOfBytes(new Uint8Array([1])));
});
