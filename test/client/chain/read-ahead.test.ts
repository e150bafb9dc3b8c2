import { expect, test } from 'vitest';
import { READ_AHEAD_MAX } from '../../../src/base/limits.ts';
import type { OwnerId } from '../../../src/base/ids.ts';
import { ReadAhead } from '../../../src/client/chain/read-ahead.ts';
import { accountKey, accountOf } from '../../../src/shards/account.ts';
import { LoadedState, MissingRecords, Overlay } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';

const owner = (name: string): OwnerId => digestFrom<OwnerId>(name);
const keyOf = (name: string) => accountKey(owner(name));

/** A state in which nobody has anything is read: the accounts of `names`. */
function read(ahead: ReadAhead, names: readonly string[]): void {
  const loaded = new LoadedState();
  for (const name of names) loaded.add(keyOf(name), null);
  const state = new Overlay(ahead.noting(loaded));
  for (const name of names) accountOf(state, owner(name));
}

const textsOf = (keys: readonly { readonly text: string }[]): string[] => keys.map(({ text }) => text);

test('what was read of the last two states is asked for with the first of the next, once', () => {
  const ahead = new ReadAhead();
  expect(textsOf(ahead.begin([keyOf('a')]))).toEqual(textsOf([keyOf('a')]));
  read(ahead, ['a', 'b']);
  expect(textsOf(ahead.begin([keyOf('c'), keyOf('a')]))).toEqual(textsOf(['c', 'a', 'b'].map(keyOf)));
  read(ahead, ['c']);
  expect(textsOf(ahead.begin([keyOf('d')]))).toEqual(textsOf(['d', 'a', 'b', 'c'].map(keyOf)));
  expect(textsOf(ahead.begin([keyOf('d')]))).toEqual(textsOf(['d', 'c'].map(keyOf)));
});

test('what is missing is said as ever', () => {
  const state = new Overlay(new ReadAhead().noting(new LoadedState()));
  const attempt = (): unknown => {
    try {
      return accountOf(state, owner('a'));
    } catch (missing) {
      return missing;
    }
  };
  expect(attempt()).toBeInstanceOf(MissingRecords);
  expect((attempt() as MissingRecords).keys).toHaveLength(1);
});

test('after a reading that walked through much nothing is guessed', () => {
  const ahead = new ReadAhead();
  read(
    ahead,
    Array.from({ length: READ_AHEAD_MAX + 10 }, (_, index) => `account ${index}`),
  );
  expect(textsOf(ahead.begin([keyOf('a')]))).toEqual(textsOf([keyOf('a')]));
});
