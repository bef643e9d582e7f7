import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import { KeyRingError, openKeyRing, SIGNING_ALGORITHMS, type SigningAlgorithm } from './key-ring.ts'
import { signToken } from './sign.ts'

const HELP = `Usage: tollgate token [OPTIONS]

Signs a test token and prints it, and nothing else, on standard output. Makes the key set on first use.

Options:
  --keys DIR         folder of the key set (default ./data/quickstart); 'jwks_file' shall name DIR/jwks.json
  --alg ALG          ES256 (default), EdDSA or RS256, for a new key set
  --issuer URL       default https://quickstart.tollgate.local
  --audience NAME    default tollgate
  --sub NAME         whose token it is (default you)
  --team NAME        default red; '' for none
  --scope "A B"      default infer:text
  --role NAME        none by default
  --ttl DURATION     default 15m; gates refuse more than their issuer's max_lifetime, 1h unless they say otherwise
  --print-jwks       print the public key set instead
  --format FORMAT    text (default) or json

Exit codes: 0 fine, 1 the key set cannot be used, 2 wrong usage.
`
const HOUR_MS = 3_600_000

/** Runs `tollgate token`. @returns the exit code */
export async function runToken(
  argv: readonly string[],
  out: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }
): Promise<0 | 1 | 2> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      keys: { type: 'string', default: './data/quickstart' },
      alg: { type: 'string', default: 'ES256' },
      issuer: { type: 'string', default: 'https://quickstart.tollgate.local' },
      audience: { type: 'string', default: 'tollgate' },
      sub: { type: 'string', default: 'you' },
      team: { type: 'string', default: 'red' },
      scope: { type: 'string', default: 'infer:text' },
      role: { type: 'string' },
      ttl: { type: 'string', default: '15m' },
      'print-jwks': { type: 'boolean', default: false },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  const say = (text: string) => out.stderr.write(`tollgate token: ${text}\n`)
  if (values.help) {
    out.stdout.write(HELP)
    return 0
  }
  const { alg, ttl, format } = values
  if (!isSigningAlgorithm(alg)) {
    say(`--alg is one of ${SIGNING_ALGORITHMS.join(', ')}, not "${alg}".`)
    return 2
  }
  if (!DURATION_PATTERN.test(ttl) || readDurationMs(ttl) < 1000) {
    say(`--ttl is a duration of a second or more, such as 15m or 1h, not "${ttl}".`)
    return 2
  }
  if (format !== 'text' && format !== 'json') {
    say(`--format is text or json, not "${format}".`)
    return 2
  }
  try {
    const ring = openKeyRing(values.keys, { algorithm: alg })
    if (ring.isNew) say(`made a key set in ${values.keys}; let 'jwks_file' of an issuer name ${ring.jwksFile}`)
    if (values['print-jwks']) {
      out.stdout.write(readFileSync(ring.jwksFile, 'utf8'))
      return 0
    }
    if (readDurationMs(ttl) > HOUR_MS) say(`gates refuse tokens of more than 1h unless 'max_lifetime' allows it`)
    const wish = {
      issuer: values.issuer,
      audience: values.audience,
      subject: values.sub,
      team: values.team === '' ? null : values.team,
      scopes: values.scope.split(' ').filter(word => word !== ''),
      role: values.role ?? null,
      ttlSec: Math.floor(readDurationMs(ttl) / 1000)
    }
    const token = await signToken(ring.signing, wish, Date.now())
    const answer = { token, kid: ring.signing.kid, jwksFile: ring.jwksFile, expiresInSec: wish.ttlSec }
    out.stdout.write(format === 'json' ? `${JSON.stringify(answer)}\n` : `${token}\n`)
    return 0
  } catch (err) {
    if (!(err instanceof KeyRingError) && !(err instanceof Error && 'syscall' in err)) throw err
    say(err.message)
    return 1
  }
}

function isSigningAlgorithm(alg: string): alg is SigningAlgorithm {
  return (SIGNING_ALGORITHMS as readonly string[]).includes(alg)
}
