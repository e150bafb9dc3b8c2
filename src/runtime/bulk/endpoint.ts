// Addresses of the bulk lane as text: multiaddrs of the form `/ip4/10.0.0.2/tcp/4002/tls`, `/ip6/../tcp/../tls`,
// `/dns4|dns6|dns/name/tcp/../tls`. Only this form is read: the lane knows no relays and no other transports.

import { isIPv4, isIPv6 } from 'node:net';
import { StoreError } from '../../base/errors.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** Which kind of address a name may resolve to; 0: either. */
  readonly family: 0 | 4 | 6;
}

const SHAPE = /^\/(ip4|ip6|dns4|dns6|dns)\/([^/]{1,253})\/tcp\/([1-9][0-9]{0,4})\/tls$/;
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/;
const ENDPOINT_LENGTH_MAX = 300;

/** Throws INVALID_ARGUMENT for anything else than an endpoint of the bulk lane. */
export function parseEndpoint(text: string): Endpoint {
  const [, kind, host, digits] = (text.length <= ENDPOINT_LENGTH_MAX && SHAPE.exec(text)) || [];
  const port = Number(digits);
  if (kind === undefined || host === undefined || !isHost(kind, host) || port > 65_535) {
    throw new StoreError(
      'INVALID_ARGUMENT',
      `not an address of the bulk lane: ${JSON.stringify(text.slice(0, 100))}`,
      {
        next: 'Give it as /ip4/ADDRESS/tcp/PORT/tls, /ip6/ADDRESS/tcp/PORT/tls or /dns4/NAME/tcp/PORT/tls.',
      },
    );
  }
  return { host, port, family: kind.endsWith('4') ? 4 : kind.endsWith('6') ? 6 : 0 };
}

/** The text of an address that a server listens on. Throws INVALID_ARGUMENT when `host` is neither address nor name. */
export function formatEndpoint(host: string, port: number): string {
  const kind = isIPv4(host) ? 'ip4' : isIPv6(host) ? 'ip6' : 'dns4';
  const text = `/${kind}/${host}/tcp/${port}/tls`;
  parseEndpoint(text);
  return text;
}

function isHost(kind: string, host: string): boolean {
  if (kind === 'ip4') return isIPv4(host);
  // A zone (%eth0) means something on one machine only.
  if (kind === 'ip6') return isIPv6(host) && !host.includes('%');
  return HOST_NAME.test(host);
}
