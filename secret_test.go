package rentroll

import (
	"bytes"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestSecretRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 2_000 {
		prefix := []string{"rr", "acme", "sk", "abcdef", "opa"}[i%5]
		bytes32, tenant := randomSecretParts(random)
		secret := newSecret(prefix, bytes32, tenant)
		if len(secret) != len(prefix)+72 || !strings.HasPrefix(secret, prefix+"_") {
			t.Fatalf("newSecret = %q", secret)
		}
		gotPrefix, gotTenant, ok := parseSecret(secret)
		if !ok || gotPrefix != prefix || gotTenant != tenant {
			t.Fatalf("parseSecret(%q) = %q, %v, %v; want %q, %v", secret, gotPrefix, gotTenant, ok, prefix, tenant)
		}
		operator := newOperatorSecret(prefix, bytes32)
		if len(operator) != len(prefix)+52 || !strings.HasPrefix(operator, prefix+"op_") {
			t.Fatalf("newOperatorSecret = %q", operator)
		}
		if !isOperatorSecret(operator) || isOperatorSecret(secret) {
			t.Fatalf("isOperatorSecret: %q %v, %q %v", operator, isOperatorSecret(operator), secret, isOperatorSecret(secret))
		}
		if _, _, ok := parseSecret(operator); ok {
			t.Fatalf("%q read as the secret of an API key", operator)
		}
	}
}

// The encoding is pinned against math/big and hash/crc32, so that secrets made by
// an older version stay valid and a scanner can be written from its description.
func TestSecretEncoding(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for i := range 500 {
		bytes32, tenant := randomSecretParts(random)
		switch i {
		case 0:
			bytes32, tenant = [32]byte{}, TenantID{15: 1}
		case 1:
			bytes32 = [32]byte(bytes.Repeat([]byte{0xff}, 32))
			tenant = TenantID(bytes.Repeat([]byte{0xff}, 16))
		}
		body := bigBase62(append(bytes32[:len(bytes32):len(bytes32)], tenant[:]...), 65)
		if got, want := newSecret("rr", bytes32, tenant), withChecksum("rr_"+body); got != want {
			t.Fatalf("newSecret = %q; want %q", got, want)
		}
		if got, want := newOperatorSecret("rr", bytes32), withChecksum("rrop_"+bigBase62(bytes32[:], 43)); got != want {
			t.Fatalf("newOperatorSecret = %q; want %q", got, want)
		}
	}

	// These two come from a few lines of Python.
	var counted [32]byte
	for i := range counted {
		counted[i] = byte(i)
	}
	tenant := mustTenantID(t, "ten_01h2xcejqtf2nbrexx3vqjhp41")
	const wantKey = "rr_000RxY9kz6ouWMJLgFtBDiUPCkeK8fsOOHCGbYdCUyWwBED5wt0iphuNuMnFdXwWH2zacFo"
	if got := newSecret("rr", counted, tenant); got != wantKey {
		t.Errorf("newSecret = %q; want %q", got, wantKey)
	}
	const wantOperator = "rrop_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1D4sQf"
	if got := newOperatorSecret("rr", counted); got != wantOperator {
		t.Errorf("newOperatorSecret = %q; want %q", got, wantOperator)
	}
}

// A CRC-32 sees every change within 32 bits, so these are certain, not likely.
func TestSecretChanged(t *testing.T) {
	bytes32, tenant := randomSecretParts(rand.New(rand.NewPCG(7, 8)))
	refused := func(t *testing.T, s string) {
		t.Helper()
		if _, _, ok := parseSecret(s); ok || isOperatorSecret(s) {
			t.Errorf("%q is accepted", s)
		}
	}
	for _, secret := range []string{
		newSecret("rr", bytes32, tenant), newSecret("abcdef", bytes32, tenant), newOperatorSecret("rr", bytes32),
	} {
		for i := range secret {
			for c := range 256 {
				if byte(c) != secret[i] {
					refused(t, secret[:i]+string([]byte{byte(c)})+secret[i+1:])
				}
			}
			refused(t, secret[:i])
			refused(t, secret[:i]+secret[i+1:])
			refused(t, secret[:i]+"0"+secret[i:])
			if i > 0 && secret[i-1] != secret[i] {
				refused(t, secret[:i-1]+secret[i:i+1]+secret[i-1:i]+secret[i+1:])
			}
		}
		refused(t, secret+"0")
		refused(t, secret+"\n")
		refused(t, " "+secret)
		refused(t, strings.ToUpper(secret))
		refused(t, secret+secret)
	}
}

// These have a right checksum, so that only what the name says is wrong.
func TestParseSecretRefuses(t *testing.T) {
	ff := bytes.Repeat([]byte{0xff}, 48)
	body := bigBase62(ff, 65)
	if _, _, ok := parseSecret(withChecksum("rr_" + body)); !ok {
		t.Fatal("the largest body is refused")
	}
	if !isOperatorSecret(withChecksum("rrop_" + bigBase62(ff[:32], 43))) {
		t.Fatal("the largest operator body is refused")
	}
	tooLarge := new(big.Int).Lsh(big.NewInt(1), 384)
	for name, s := range map[string]string{
		"empty":                   "",
		"underscore":              "_",
		"prefix alone":            "rr_",
		"no prefix":               withChecksum("_" + body),
		"prefix of one letter":    withChecksum("r_" + body),
		"prefix of seven letters": withChecksum("abcdefg_" + body),
		"upper-case prefix":       withChecksum("RR_" + body),
		"digit in prefix":         withChecksum("r2_" + body),
		"operator's prefix":       withChecksum("rrop_" + body),
		"prefix op":               withChecksum("op_" + body),
		"underscore in prefix":    withChecksum("r__" + body),
		"hyphen for underscore":   withChecksum("rr-" + body),
		"body too short":          withChecksum("rr_" + body[1:]),
		"body too long":           withChecksum("rr_0" + body),
		"body 2^384":              withChecksum("rr_" + bigBase62(tooLarge.Bytes(), 65)),
		"body all z":              withChecksum("rr_" + strings.Repeat("z", 65)),
		"hyphen in body":          withChecksum("rr_" + body[:30] + "-" + body[31:]),
		"no ASCII in body":        withChecksum("rr_" + body[:30] + "é" + body[32:]),
		"zero tenant":             newSecret("rr", [32]byte{1}, TenantID{}),
		"operator, all z":         withChecksum("rrop_" + strings.Repeat("z", 43)),
		"operator, 2^256":         withChecksum("rrop_" + bigBase62(append([]byte{1}, make([]byte, 32)...), 43)),
		"operator, no prefix":     withChecksum("op_" + bigBase62(ff[:32], 43)),
		"operator, opop":          withChecksum("rropop_" + bigBase62(ff[:32], 43)),
		"operator's body alone":   withChecksum("rr_" + bigBase62(ff[:32], 43)),
		"huge":                    strings.Repeat("rr_", 1<<20),
	} {
		if _, _, ok := parseSecret(s); ok || isOperatorSecret(s) {
			t.Errorf("%s: %.100q is accepted", name, s)
		}
	}
}

func TestValidKeyPrefix(t *testing.T) {
	for prefix, want := range map[string]bool{
		"": false, "r": false, "rr": true, "acme": true, "abcdef": true, "abcdefg": false, "op": false, "shop": false,
		"opa": true, "opx": true, "po": true, "RR": false, "r1": false, "r_": false, "r r": false, "é": false, "a\x00": false,
	} {
		if got := validKeyPrefix(prefix); got != want {
			t.Errorf("validKeyPrefix(%q) = %v", prefix, got)
		}
	}
}

func TestDefaultKeyPrefix(t *testing.T) {
	if !validKeyPrefix(DefaultKeyPrefix) {
		t.Errorf("the default prefix, %q, is not valid", DefaultKeyPrefix)
	}
}

func TestDisplayPrefix(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "short": "short", "exactly12345": "exactly12345", "exactly123456": "exactly12345", "ééééééééééééé": "éééééééééééé",
		"rr_0123456789abcdef": "rr_012345678",
	} {
		if got := displayPrefix(s); got != want {
			t.Errorf("displayPrefix(%q) = %q; want %q", s, got, want)
		}
	}
}

func TestHashSecret(t *testing.T) {
	for _, s := range []string{"", "rr_x", strings.Repeat("x", 128), strings.Repeat("x", 129), strings.Repeat("x", 1000)} {
		if got, want := hashSecret(s), sha256.Sum256([]byte(s)); got != want {
			t.Errorf("hashSecret of %d bytes = %x; want %x", len(s), got, want)
		}
	}
}

func TestSecretAllocations(t *testing.T) {
	bytes32, tenant := randomSecretParts(rand.New(rand.NewPCG(9, 10)))
	secret, operator := newSecret("rr", bytes32, tenant), newOperatorSecret("rr", bytes32)
	for name, f := range map[string]func(){
		"parseSecret":      func() { parseSecret(secret) },
		"isOperatorSecret": func() { isOperatorSecret(operator) },
		"hashSecret":       func() { hashSecret(secret) },
		"displayPrefix":    func() { stringSink = displayPrefix(secret) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	bytes32, tenant := randomSecretParts(rand.New(rand.NewPCG(11, 12)))
	f.Add(newSecret("rr", bytes32, tenant))
	f.Add(newSecret("abcdef", bytes32, tenant))
	f.Add(newOperatorSecret("rr", bytes32))
	f.Add("rr_" + strings.Repeat("z", 65))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		// The checksum is replaced too, or nothing that is wrong gets past it.
		for _, s := range []string{s, withChecksum(s), withChecksum(s[:max(0, len(s)-6)])} {
			prefix, tenant, ok := parseSecret(s)
			if ok && isOperatorSecret(s) {
				t.Fatalf("%q is a tenant's and an operator's", s)
			}
			if !ok {
				if prefix != "" || !tenant.IsZero() {
					t.Fatalf("%q is refused with %q, %v", s, prefix, tenant)
				}
				continue
			}
			body, _ := new(big.Int).SetString(bigDigits(s[len(prefix)+1:len(s)-6]), 62)
			raw := body.FillBytes(make([]byte, 48))
			if TenantID(raw[32:]) != tenant {
				t.Fatalf("%q: tenant %v; want %x", s, tenant, raw[32:])
			}
			if again := newSecret(prefix, [32]byte(raw[:32]), tenant); again != s {
				t.Fatalf("%q is another spelling of %q", s, again)
			}
		}
	})
}

func FuzzSecretRoundTrip(f *testing.F) {
	f.Add([]byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, random, id []byte) {
		var bytes32 [32]byte
		var tenant TenantID
		copy(bytes32[:], random)
		copy(tenant[:], id)
		secret := newSecret("rr", bytes32, tenant)
		prefix, got, ok := parseSecret(secret)
		if ok == tenant.IsZero() || got != tenant || ok && prefix != "rr" {
			t.Fatalf("%q read as %q, %v, %v; want %v", secret, prefix, got, ok, tenant)
		}
		if operator := newOperatorSecret("rr", bytes32); !isOperatorSecret(operator) {
			t.Fatalf("%q is refused", operator)
		}
	})
}

func BenchmarkParseSecret(b *testing.B) {
	bytes32, tenant := randomSecretParts(rand.New(rand.NewPCG(1, 1)))
	secret := newSecret("rr", bytes32, tenant)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := parseSecret(secret); !ok {
			b.Fatal(secret)
		}
	}
}

func BenchmarkNewSecret(b *testing.B) {
	bytes32, tenant := randomSecretParts(rand.New(rand.NewPCG(1, 1)))
	b.ReportAllocs()
	for b.Loop() {
		stringSink = newSecret("rr", bytes32, tenant)
	}
}

func BenchmarkHashSecret(b *testing.B) {
	bytes32, tenant := randomSecretParts(rand.New(rand.NewPCG(1, 1)))
	secret := newSecret("rr", bytes32, tenant)
	b.ReportAllocs()
	for b.Loop() {
		hashSecret(secret)
	}
}

func randomSecretParts(random *rand.Rand) (bytes32 [32]byte, tenant TenantID) {
	for i := range bytes32 {
		bytes32[i] = byte(random.Uint32())
	}
	for i := range tenant {
		tenant[i] = byte(random.Uint32())
	}
	return bytes32, tenant
}

// bigBase62 is the encoding by other means: math/big has the digits 0-9a-zA-Z.
func bigBase62(raw []byte, width int) string {
	digits := bigDigits(new(big.Int).SetBytes(raw).Text(62))
	return strings.Repeat("0", max(0, width-len(digits))) + digits
}

// bigDigits swaps lower and upper case.
func bigDigits(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

func withChecksum(s string) string {
	sum := crc32.ChecksumIEEE([]byte(s))
	return s + bigBase62([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}, 6)
}
