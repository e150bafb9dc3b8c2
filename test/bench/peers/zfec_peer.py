# zfec as a bench peer: lines "operation k n length rounds", answered with CPU seconds.
import sys
import time

import zfec

print("ready", flush=True)
for line in sys.stdin:
    operation, *numbers = line.split()
    k, n, length, rounds = map(int, numbers)
    encoder, decoder = zfec.Encoder(k, n), zfec.Decoder(k, n)
    data = [bytes((at * 31 + row) & 255 for at in range(256)) * (length // 256) for row in range(k)]
    parity = list(range(k, n))
    pieces = data + encoder.encode(data, parity)
    lost = min(k, n - k) if operation == "decode" else 1
    # A present data piece stays in its place; parity pieces fill the places of the lost ones.
    columns = [column if column >= lost else k + column for column in range(k)]
    present = [pieces[column] for column in columns]
    start = time.process_time()
    for _ in range(rounds):
        if operation == "encode":
            encoder.encode(data, parity)
        else:
            decoder.decode(present, columns)
    print(time.process_time() - start, flush=True)
