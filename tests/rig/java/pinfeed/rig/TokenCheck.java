package pinfeed.rig;

import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * What an MSK broker does with a token: takes the presigned URL apart, signs it again with the secret that belongs to
 * its access key, and compares. It works in the directory named by the system property `pinfeed.rig`:
 *
 *   secrets     one line per access key: key, secret, session token, principal, expiry (epoch seconds), verdict
 *               ("allow", "deny"), region; separated by tabs, "-" where there is nothing. Read anew for each token.
 *   refuse      while this file exists everybody is refused
 *   tokens.log  written: ms, accepted|rejected, access key, principal, end of the token (ms), region, user agent,
 *               reason; separated by tabs
 */
public final class TokenCheck implements AuthenticateCallbackHandler {
    private static final DateTimeFormatter AMZ_DATE = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");
    private static final String EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private static final long SKEW_MS = 5 * 60 * 1000;
    private static final Object LOG_LOCK = new Object();

    private final Path directory = Path.of(System.getProperty("pinfeed.rig"));

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) { }

    @Override
    public void close() { }

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerValidatorCallback validator)
                validator.token(check(validator.tokenValue()));
            else if (!(callback instanceof OAuthBearerExtensionsValidatorCallback))
                throw new UnsupportedCallbackException(callback);
        }
    }

    /** The client hears what MSK would tell it: a number and "Access denied". The log holds the reason. */
    private OAuthBearerToken check(String compact) throws IOException {
        Claim claim = new Claim();
        try {
            claim.read(compact);
            judge(claim);
        } catch (Refusal | GeneralSecurityException | RuntimeException e) {
            String reason = e instanceof Refusal ? e.getMessage() : "not understood: " + e;
            log("rejected", claim, reason);
            throw new SaslAuthenticationException("[" + UUID.randomUUID() + "]: Access denied");
        }
        log("accepted", claim, "");
        return new Token(compact, claim.principal, claim.startMs, claim.endMs);
    }

    private void judge(Claim claim) throws Refusal, IOException, GeneralSecurityException {
        String[] secret = secretOf(claim.accessKey);
        if (secret == null)
            throw new Refusal("unknown access key");
        claim.principal = secret[3].equals("-") ? claim.accessKey : secret[3];
        if (Files.exists(directory.resolve("refuse")))
            throw new Refusal("everybody is refused");
        if (secret[5].equals("deny"))
            throw new Refusal("denied by policy");
        if (!secret[2].equals(claim.sessionToken.isEmpty() ? "-" : claim.sessionToken))
            throw new Refusal("wrong session token");
        if (!claim.signature.equals(claim.sign(secret[1])))
            throw new Refusal("wrong signature");
        if (!secret[6].equals("-") && !secret[6].equals(claim.region))
            throw new Refusal("wrong region " + claim.region);
        long now = System.currentTimeMillis();
        if (claim.startMs > now + SKEW_MS)
            throw new Refusal("signed in the future");
        if (claim.endMs <= now)
            throw new Refusal("expired");
        if (!secret[4].equals("-") && Long.parseLong(secret[4]) * 1000 <= now)
            throw new Refusal("its credentials expired");
    }

    private String[] secretOf(String accessKey) throws IOException {
        List<String> lines;
        try {
            lines = Files.readAllLines(directory.resolve("secrets"));
        } catch (NoSuchFileException e) {
            return null;
        }
        for (String line : lines) {
            String[] fields = line.split("\t", -1);
            if (fields.length == 7 && fields[0].equals(accessKey))
                return fields;
        }
        return null;
    }

    private void log(String verdict, Claim claim, String reason) throws IOException {
        String line = String.join("\t", Long.toString(System.currentTimeMillis()), verdict, plain(claim.accessKey),
                plain(claim.principal), Long.toString(claim.endMs), plain(claim.region), plain(claim.userAgent),
                plain(reason)) + "\n";
        synchronized (LOG_LOCK) {
            Files.writeString(directory.resolve("tokens.log"), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    private static String plain(String s) {
        return s.replaceAll("\\p{Cntrl}", "?");
    }

    private static final class Refusal extends Exception {
        Refusal(String reason) {
            super(reason);
        }
    }

    /** What a token says. */
    private static final class Claim {
        private static final Set<String> KNOWN = Set.of("Action", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
                "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-SignedHeaders", "X-Amz-Signature", "User-Agent");

        String accessKey = "", principal = "", sessionToken = "", region = "", userAgent = "", signature = "";
        long startMs, endMs;
        private String host, amzDate, scopeDate;
        private final TreeMap<String, String> signed = new TreeMap<>();

        void read(String compact) throws Refusal {
            if (compact.contains("=") || compact.contains("+") || compact.contains("/"))
                throw new Refusal("not base64url without padding");
            URI url = URI.create(new String(Base64.getUrlDecoder().decode(compact), StandardCharsets.US_ASCII));
            for (String pair : url.getRawQuery().split("&")) {
                String name = pair.substring(0, pair.indexOf('='));
                String value = URLDecoder.decode(pair.substring(name.length() + 1).replace("+", "%2B"),
                        StandardCharsets.UTF_8);
                if (!KNOWN.contains(name) || signed.put(name, value) != null)
                    throw new Refusal("unknown or repeated parameter " + name);
            }
            signature = take("X-Amz-Signature");
            userAgent = signed.containsKey("User-Agent") ? signed.remove("User-Agent") : "";
            sessionToken = signed.getOrDefault("X-Amz-Security-Token", "");

            String[] scope = signed.getOrDefault("X-Amz-Credential", "").split("/");
            if (scope.length != 5)
                throw new Refusal("no credential scope");
            accessKey = scope[0];
            scopeDate = scope[1];
            region = scope[2];
            amzDate = signed.getOrDefault("X-Amz-Date", "");
            startMs = LocalDateTime.parse(amzDate, AMZ_DATE).toInstant(ZoneOffset.UTC).toEpochMilli();
            long expires = Long.parseLong(signed.getOrDefault("X-Amz-Expires", ""));
            endMs = startMs + expires * 1000;
            host = "kafka." + region + ".amazonaws.com";

            require(url.getScheme().equals("https") && url.getAuthority().equals(host) && url.getPath().equals("/"),
                    "not a URL of https://" + host + "/");
            require(scope[3].equals("kafka-cluster") && scope[4].equals("aws4_request"), "wrong service in the scope");
            require(amzDate.startsWith(scopeDate), "scope and date differ");
            require("kafka-cluster:Connect".equals(signed.get("Action")), "wrong action");
            require("AWS4-HMAC-SHA256".equals(signed.get("X-Amz-Algorithm")), "wrong algorithm");
            require("host".equals(signed.get("X-Amz-SignedHeaders")), "wrong signed headers");
            require(expires >= 1 && expires <= 900, "lifetime of " + expires + " s");
        }

        private String take(String name) throws Refusal {
            require(signed.containsKey(name), "no " + name);
            return signed.remove(name);
        }

        private static void require(boolean good, String reason) throws Refusal {
            if (!good)
                throw new Refusal(reason);
        }

        String sign(String secret) throws GeneralSecurityException {
            StringBuilder query = new StringBuilder();
            signed.forEach((name, value) -> query.append(query.isEmpty() ? "" : "&").append(encode(name)).append('=')
                    .append(encode(value)));
            String request = "GET\n/\n" + query + "\nhost:" + host + "\n\nhost\n" + EMPTY_SHA256;
            String scope = scopeDate + "/" + region + "/kafka-cluster/aws4_request";
            String toSign = "AWS4-HMAC-SHA256\n" + amzDate + "\n" + scope + "\n"
                    + hex(MessageDigest.getInstance("SHA-256").digest(bytes(request)));
            byte[] key = bytes("AWS4" + secret);
            for (String part : new String[] {scopeDate, region, "kafka-cluster", "aws4_request"})
                key = hmac(key, part);
            return hex(hmac(key, toSign));
        }

        private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac.doFinal(bytes(text));
        }

        private static String hex(byte[] b) {
            return HexFormat.of().formatHex(b);
        }

        private static byte[] bytes(String s) {
            return s.getBytes(StandardCharsets.UTF_8);
        }

        /** RFC 3986; Java's own encoder is for forms. */
        private static String encode(String s) {
            return URLEncoder.encode(s, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A")
                    .replace("%7E", "~");
        }
    }

    private record Token(String value, String principalName, Long startTimeMs, long lifetimeMs)
            implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }
    }
}
