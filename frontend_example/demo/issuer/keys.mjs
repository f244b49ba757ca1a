// Signing keys are made when the issuer starts and never leave its memory.
import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

const KIND = {
  RS256: () => generate('rsa', { modulusLength: 2048 }),
  PS256: () => generate('rsa', { modulusLength: 2048 }),
  ES256: () => generate('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generate('ed25519'),
};

/** A fresh private key as a JWK for one signing algorithm. */
export async function newSigningKey(alg) {
  const { privateKey } = await KIND[alg]();
  const kid = randomBytes(9).toString('base64url');
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}
