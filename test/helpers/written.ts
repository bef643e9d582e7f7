import { Writable } from 'node:stream'

/** A stream that remembers what was written to it. */
export class Written extends Writable {
  text = ''

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += piece.toString('utf8')
    done()
  }
}
