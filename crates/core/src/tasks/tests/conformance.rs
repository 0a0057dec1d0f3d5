//! A snapshot of the canonical form of every conformance URL (spec 10 §§2.3, 11), and of equal URLs.

use super::*;

#[test]
fn every_conformance_url_has_its_canonical_form() {
    for (path, expected) in [
        (
            "/resize=width:200/rotate=deg:90/crop=dim:[20,20,250,250]/{H}",
            "resize=width:200/rotate=deg:90/crop=dim:[20,20,250,250]",
        ),
        ("/{KEY}/[\"src://test123/a.jpg\",\"src://test123/b-400dpi.jpg\"]", ""),
        ("/upscale/\"https://cdn.filestackcontent.com/{H}\"", "upscale"),
        ("/{KEY}/fallback=handle:http:test.com/{H}", "fallback=handle:\"http:test.com\""),
        ("/{KEY}/cache=false/{H}", "cache=false"),
        (
            "/preview=css:%22https%3A%2F%2Fexample.com%2Fa.css%22/security=policy:P,signature:S/{H}",
            "preview=css:\"https://example.com/a.css\"",
        ),
        ("/partial_blur=amount:5,objects:[[20,20,50,50]]/{H}", "partial_blur=objects:[[20,20,50,50]],amount:5"),
        (
            "/collage=width:15,height:35,files:[\"H1\",\"H2\"],margin:40,color:FF0000FF,fit:crop,autorotate:true/{H}",
            "collage=files:[H1,H2],width:15,height:35,margin:40,color:FF0000FF,fit:crop,autorotate:true",
        ),
        ("/watermark=file:H2,size:50,position:[top]/{H}", "watermark=file:H2,size:50,position:top"),
        (
            "/store=location:S3,region:us-east-1,container:c,path:my/custom/path/,filename:x.jpg,access:public,base64decode:true/{H}",
            "store=filename:x.jpg,location:S3,path:\"my/custom/path/\",container:c,region:us-east-1,access:public,base64decode:true",
        ),
        ("/rotate=deg:exif,exif:false,background:FF0000FF/{H}", "rotate=deg:exif,exif:false,background:FF0000FF"),
        ("/blur_faces=amount:30.0/{H}", "blur_faces=amount:20"),
        ("/{KEY}/zip/[https://some.tld/1.jpg,https://some.tld/2.jpg]", "zip"),
        (
            "/video_convert=preset:h264,force:false,width:1080,height:720,title:Chapter%201,extname:mp4/{H}",
            "video_convert=width:1080,height:720,title:\"Chapter%201\",extname:mp4",
        ),
        (
            "/smart_crop=mode:object,object:dog,fill_color:FFFFFFFF,width:512,height:512,coords:false/{H}",
            "smart_crop=mode:object,object:dog,width:512,height:512",
        ),
        ("/{KEY}/security=policy:P,signature:S/resize=width:100/https://example.com/a.jpg", "resize=width:100"),
        (
            "/output=f:webp,t:true,q:80,c:true/cache=expiry:max/resize=w:340/{H}",
            "output=format:webp,compress:true,quality:80,strip:true/resize=width:340/cache=expiry:max",
        ),
        ("/resize=,width:667,height:1000/{H}", "resize=width:667,height:1000"),
        // The vectors made for the specification.
        (
            "/{KEY}/collage=files:%5B%22h1%22%2C%22h2%22%5D,width:10,height:10/{H}",
            "collage=files:[h1,h2],width:10,height:10",
        ),
        ("/video_convert=preset:h264,title:a%2Cb/{H}", "video_convert=title:\"a%2Cb\""),
        ("/debug/{KEY}/security=policy:P,signature:S/resize=width:1/https://e.com/x", "resize=width:1"),
        ("/{KEY}/debug/resize=width:1/{H}", "resize=width:1"),
        (
            "/{KEY}/security=p:P,s:S/text_sentiment=text:\"a, b/c: d\",language:en",
            "text_sentiment=text:\"a%2C%20b/c:%20d\",language:en",
        ),
        ("/{KEY}/resize=w:1/https%3A%2F%2Fe.com%2Fa%3Fb%3D1", "resize=width:1"),
        ("/resize%3Dwidth%3A100%2Cheight%3A50/{H}", "resize=width:100,height:50"),
        ("/video_convert/5c0f33cc9c464e16592b7a01f6f8f5c1", "video_convert=uuid:5c0f33cc9c464e16592b7a01f6f8f5c1"),
        ("/store=path:\"a/b/\",filename:x.jpg/resize=w:1/{H}", "resize=width:1/store=filename:x.jpg,path:\"a/b/\""),
        // The base64 form.
        ("/{KEY}/b64/W3sibmFtZSI6InVwc2NhbGUifV0=/b64://NWFZa0VRSlNRQ21ZU2hzb0NuWk4=", "upscale"),
        ("/{KEY}/b64/W3siTmFtZSI6InZpZ25ldHRlIiwiUGFyYW1zIjpudWxsfV0=/{H}", "vignette"),
        (
            "/b64/W3sibmFtZSI6InJlc2l6ZSIsInBhcmFtcyI6eyJ3aWR0aCI6MTAwLCJoZWlnaHQiOjIwMH19LHsibmFtZSI6ImZsaXAifV0=/{H}",
            "resize=width:100,height:200/flip",
        ),
        // A query of PHP.
        ("/video_convert=preset:h264/{H}&force=true", "video_convert=force:true"),
        ("/video_convert=preset:mp4/{H}?force=true", "video_convert=force:true"),
    ] {
        assert_eq!(chain_of(path).expect(path).canonical(), expected, "{path}");
    }
}

#[test]
fn spellings_of_one_meaning_have_one_form() {
    for (spellings, expected) in [
        (
            &[
                "resize=h:50,w:100",
                "RESIZE=Width:100,Height:50,",
                "resize=width:99.6,height:\"50.0\",fit:clip,align:center",
                "resize=w:100,h:50,a:[middle,center],w:7",
            ][..],
            "resize=width:100,height:50",
        ),
        (&["resize=w:1,a:[top]", "resize=w:1,a:[top,middle]", "resize=w:1,h:0,a:TOP"], "resize=width:1,align:top"),
        (&["resize=w:1,f:crop,a:[top,left]"], "resize=width:1,fit:crop,align:[top,left]"),
        (&["crop=x:1,y:2,width:3,height:4", "crop=d:[1,2,3,4]", "crop=dim:[[1,2,3,4]]"], "crop=dim:[1,2,3,4]"),
        (&["rotate", "rotate=deg:\"exif\"", "rotate=d:EXIF"], "rotate=deg:exif"),
        (&["round_corners=r:max", "rounded_corners=radius:MAX,blur:0.3"], "rounded_corners=radius:max"),
        (&["imagesentiment", "image_sentiment="], "image_sentiment"),
        (
            &["border=c:f00", "border=color:red", "border=c:%23FF0000,w:2", "border=color:FF0000FF"],
            "border=color:FF0000FF",
        ),
        (&["border=b:gray50", "border=b:grey50,b:red"], "border=background:808080FF"),
        (&["polaroid=b:none", "polaroid=b:transparent", "polaroid=b:00000000"], "polaroid=background:00000000"),
        (&["detect_faces=minSize:0.35,color:DimGrey,export:0", "detect_faces"], "detect_faces"),
        (&["crop_faces=faces:[3]", "crop_faces=f:3,mode:thumb"], "crop_faces=faces:3"),
        (&["blur_faces=f:all,t:rect", "blur_faces"], "blur_faces"),
        (&["torn_edges=spread:[1,10]", "torn_edges"], "torn_edges"),
        (&["output=compress,f:JPEG", "output=c:1,format:jpg"], "output=format:jpg,compress:true"),
        (
            &["pdfconvert=pages:[1,\"3-5\",\"7-\",-2]", "pdfconvert=pages:\"1,3-5,7-,-2\""],
            "pdfconvert=pages:[1,3-5,7-,-2]",
        ),
        (&["fallback=file:{H2}", "fallback=handle:{H2}"], "fallback=handle:5aYkEQJSQCmYShsoCnZN"),
        (
            &[
                "video_convert=audio_samplerate:22050,clip_offset:1",
                "video_convert=clip_offset:01:00,audio_sample_rate:22050",
            ],
            "video_convert=audio_sample_rate:22050,clip_offset:\"01:00:00\"",
        ),
        (&["cache", "cache=true"], "cache"),
        (&["cache=false", "cache=f", "cache=false:true"], "cache=false"),
        (&["metadata=[size,md5]", "metadata=params:[size,md5]", "metadata=size,md5"], "metadata=params:[size,md5]"),
        (
            &["minify_js=targets:true,mergeVars:false,guards:true", "minify_js=merge_vars:false"],
            "minify_js=merge_vars:false",
        ),
        (
            &[
                "store=path:\"a/\"/store=workflows:[w1],path:b/flip/store=workflows:[w2,w1]",
                "store=p:\"a/\",workflows:[w1,w2],altText:x/flip",
            ],
            "flip/store=path:\"a/\",workflows:[w1,w2]",
        ),
        (
            &["cache=expiry:5/flip/content=f:a/cache=e:60", "flip/cache=expiry:60/content=filename:a"],
            "flip/content=filename:a/cache=expiry:60",
        ),
    ] {
        for spelling in spellings {
            assert_eq!(canonical(spelling), expected, "{spelling}");
        }
    }
}
