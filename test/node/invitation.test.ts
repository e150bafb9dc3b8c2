import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { formatInvitation, type Invitation, parseInvitation, purseSeed } from '../../src/node/invitation.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';
import vectors from '../vectors/membership.json' with { type: 'json' };

const network = digestFrom<NetworkId>('network');
const invitation: Invitation = {
  network,
  name: 'test',
  addresses: ['/ip4/10.0.0.2/tcp/4002/tls', '/dns/node.example/tcp/4002/tls'],
  tokens: 1000n,
  secret: digestFrom('secret').slice(0, 16),
};
const code = formatInvitation(invitation);

describe('an invitation code', () => {
  test('has its frozen form', () => {
    expect(code).toBe(vectors.invitationCode);
  });

  test('is one word that says everything again', () => {
    expect(code).toMatch(/^[a-z2-7]+$/);
    expect(parseInvitation(code)).toEqual(invitation);
  });

  test('may be written in capitals, groups and lines', () => {
    const spoken = code.toUpperCase().replaceAll(/.{5}/g, '$&-').replaceAll(/.{60}/g, '$&\r\n  ');
    expect(parseInvitation(spoken)).toEqual(invitation);
  });

  test('with any one character changed, left out or doubled is refused', () => {
    const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
    for (let at = 0; at < code.length; at++) {
      const other = alphabet[(alphabet.indexOf(code[at]!) + 1 + (at % 31)) % 32]!;
      for (const typo of [
        code.slice(0, at) + other + code.slice(at + 1),
        code.slice(0, at) + code.slice(at + 1),
        code.slice(0, at) + code[at]! + code.slice(at),
      ]) {
        const error = expectCode('INVALID_ARGUMENT', () => parseInvitation(typo));
        expect(error.message).not.toContain(code.slice(20, 40));
      }
    }
  });

  test.each([
    ['a digit that does not exist', code.replace(/.$/, '0'), 'character'],
    ['another beginning', `x${code}`, 'does not begin with hfjoin'],
    ['only its beginning', 'hfjoin', 'checksum'],
    ['nothing', '', 'does not begin'],
    ['a megabyte', 'hfjoin'.repeat(200_000), 'too long'],
  ])('that is %s says so', (_what, text, reason) => {
    const error = expectCode('INVALID_ARGUMENT', () => parseInvitation(text));
    expect(error.message).toContain(reason);
    expect(error.next).toContain('store invite');
  });

  test('random words are refused, typed', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 500 }), (text) => {
        try {
          parseInvitation(`hfjoin${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError);
          return;
        }
        throw new Error('taken');
      }),
    );
  });
});

describe('the key of the purse', () => {
  test('has its frozen seed', () => {
    expect(toHex(purseSeed(invitation))).toBe(vectors.purseSeed);
  });

  test('differs with every secret and network', () => {
    const seeds = [
      purseSeed(invitation),
      purseSeed({ ...invitation, network: digestFrom<NetworkId>('other') }),
      purseSeed({ ...invitation, secret: new Uint8Array(16) }),
    ];
    expect(new Set(seeds.map(toHex)).size).toBe(seeds.length);
  });
});
