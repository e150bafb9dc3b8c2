import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import type { NetworkId, NodeId, OperatorId, Stake } from '../../src/base/ids.ts';
import {
  checkInvitationTime,
  formatInvitation,
  type Invitation,
  invitationSecret,
  type InvitationTerms,
  parseInvitation,
} from '../../src/node/invitation.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { SetClock } from '../helpers/keeper.ts';
import { digestFrom } from '../helpers/records.ts';
import vectors from '../vectors/membership.json' with { type: 'json' };

const seed = digestFrom('genesis seed');
const network = digestFrom<NetworkId>('network');
const terms: InvitationTerms = {
  id: digestFrom('invitation').slice(0, 16),
  expiresAtMs: 1_760_000_600_000,
  operator: undefined,
  stakeMax: 1000n as Stake,
};
const invitation: Invitation = {
  network,
  name: 'test',
  founder: digestFrom<NodeId>('founder'),
  addresses: ['/ip4/10.0.0.2/tcp/4002/tls', '/dns/founder.example/tcp/4002/tls'],
  terms,
  secret: invitationSecret(seed, network, terms),
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

describe('the secret', () => {
  test('differs with every term, network and genesis key', () => {
    const variants = [
      invitationSecret(seed, network, terms),
      invitationSecret(digestFrom('other seed'), network, terms),
      invitationSecret(seed, digestFrom<NetworkId>('other'), terms),
      invitationSecret(seed, network, { ...terms, expiresAtMs: terms.expiresAtMs + 1 }),
      invitationSecret(seed, network, { ...terms, operator: 'acme' as OperatorId }),
      invitationSecret(seed, network, { ...terms, stakeMax: 1001n as Stake }),
      invitationSecret(seed, network, { ...terms, id: new Uint8Array(16) }),
    ];
    expect(new Set(variants.map((secret) => secret.join())).size).toBe(variants.length);
  });
});

test('an invitation ends at its time', () => {
  const clock = new SetClock();
  clock.nowMs = terms.expiresAtMs - 1;
  checkInvitationTime(terms, clock);
  clock.nowMs = terms.expiresAtMs;
  expectCode('UNAUTHORIZED', () => checkInvitationTime(terms, clock));
});
