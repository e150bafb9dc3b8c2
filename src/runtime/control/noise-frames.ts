// The frames of Noise with half of the system calls. As it comes, the length of a frame and its text are written to the socket one after the
// other: two writes here, two reads at the peer, and every layer above runs twice. Here a frame is one write. And after each frame
// that was read, the next length is looked for where nothing is yet, which ends by an error with its whole stack: here a length that is
// not there yet is the longest that there can be, and so is waited for.
//
// What is replaced are parts that the library does not promise; where they are not found, everything stays as it comes.

import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';

type Encrypter = Pick<ConnectionEncrypter, 'secureInbound' | 'secureOutbound'>;

/** As much of an encrypted connection as is touched. */
interface Framed {
  encrypt?: (chunk: unknown) => { subarray(): Uint8Array };
  readonly decoder?: { lengthDecoder?: (data: Lengthy) => number };
}

interface Lengthy {
  readonly byteLength: number;
}

/** The bytes of the length before a frame. */
const PREFIX_LENGTH = 2;
const LENGTH_MAX = 0xffff;

/** `create` makes Noise as an encrypter; what it makes then sends a frame by one write. */
export function wholeFrames<Components, Made extends Encrypter>(
  create: (components: Components) => Made,
): (components: Components) => Made {
  return (components) => {
    const encrypter = create(components);
    for (const name of ['secureInbound', 'secureOutbound'] as const) {
      const secure = encrypter[name].bind(encrypter) as Encrypter['secureInbound'];
      encrypter[name] = (async (...parts: Parameters<typeof secure>) => {
        const secured = await secure(...parts);
        frameWhole(secured.connection);
        return secured;
      }) as Made[typeof name];
    }
    return encrypter;
  };
}

function frameWhole(connection: MessageStream): void {
  const framed = connection as unknown as Framed;
  const encrypt = framed.encrypt?.bind(connection);
  if (encrypt !== undefined) {
    framed.encrypt = (chunk) => encrypt(chunk).subarray();
  }
  const decode = framed.decoder?.lengthDecoder;
  if (decode !== undefined) {
    framed.decoder!.lengthDecoder = (data) => (data.byteLength < PREFIX_LENGTH ? LENGTH_MAX : decode(data));
  }
}
